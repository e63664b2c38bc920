/* green_hub.c: the turns of Go's loop inside Python's: what one has brought is carried out here, in the hub's greenlet. And
 * a child that the application forks, in which the loop runs on without Go. */
#define _GNU_SOURCE
#include "green.h"

#include <stdlib.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

static leaf_turn turn;
static int set = -1; /* Go's epoll set, while the loop runs */
static int ended;    /* no turn follows: the main greenlet is on its way out of the loop */

static void call_hub(PyObject *function) {
	PyObject *none = py.PyObject_VectorcallDict(function, NULL, 0, NULL);
	if (none == NULL) call_report(NULL);
	if (none != NULL) py.Py_DecRef(none);
}

/* run_signals: handlers run here as in any greenlet. What they ask of Go comes with the next turn. */
static void run_signals(void) {
	if (py.PyErr_CheckSignals() == 0) return;
	if (quitting && py.PyErr_ExceptionMatches(py.PyExc_SystemExit))
		py.PyErr_Clear();
	else
		call_report(NULL);
}

static void reopen_logs(int fd) {
	PyObject *number = py.PyLong_FromLong(fd);
	PyObject *done = number ? py.PyObject_VectorcallDict(shim.reopen_logs, &number, 1, NULL) : NULL;
	if (done == NULL) call_report(NULL);
	if (done) py.Py_DecRef(done);
	if (number) py.Py_DecRef(number);
	close(fd);
}

static void do_chores(void) {
	if (turn.chores & LEAF_REOPEN) reopen_logs(turn.log_fd);
	if (turn.chores & LEAF_SIGNALS) run_signals();
	if (turn.chores & LEAF_RELAX) green_give_frames();
	if (turn.chores & LEAF_PAGES) process_drop_pages();
	if (!(turn.chores & LEAF_ENDED)) return;
	ended = 1;
	call_hub(hub.finish);
}

/* throw_out: ends a request's greenlet by an exception of the shim's, in the hub. */
static void throw_out(green *g) {
	if (g == NULL || g->greenlet == NULL) return;
	g->thrown = 1;
	PyObject *args[2] = {g->greenlet, py.PyBool_FromLong((turn.chores & LEAF_EXITS) != 0)};
	py.Py_IncRef(args[0]);
	PyObject *none = py.PyObject_VectorcallDict(hub.throw, args, 2, NULL);
	if (none == NULL) call_report(NULL);
	if (none != NULL) py.Py_DecRef(none);
	py.Py_DecRef(args[0]);
	py.Py_DecRef(args[1]);
}

/* green_pump(): the loop's callback while Go's set has something. Greenlets that run meanwhile make leaf calls of their own, so
 * each of the turn's requests is looked up when its time has come. */
PyObject *green_pump(PyObject *module, PyObject *unused) {
	(void)module, (void)unused;
	if (!is_child && !ended) {
		turn.signals = signal_requests;
		signal_requests = 0;
		LEAF(gosrvLeafTurn(&turn));
		for (int i = 0; i < turn.wakes; i++) {
			green *g = green_find(turn.wake_list[i]);
			if (g != NULL) green_wake(&g->waiting);
			if ((g = green_find(turn.wake_list[i])) != NULL) green_wake(&g->reading);
		}
		for (int i = 0; i < turn.throws; i++) throw_out(green_find(turn.throw_list[i]));
		for (int i = 0; i < turn.ready && !is_child; i++) green_begin(&turn.ready_list[i], &turn);
		if (!is_child) do_chores();
	}
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

int gosrv_hub_run(gosrv_thread *t, int epoll_fd) {
	gil_take(t);
	turn.text = malloc(LEAF_TEXT); /* pages of it cost nothing before they are used */
	turn.words = malloc(LEAF_WORDS * sizeof *turn.words);
	PyObject *fd = py.PyLong_FromLong(epoll_fd);
	set = epoll_fd;
	PyObject *none = turn.text && turn.words && fd ? py.PyObject_VectorcallDict(hub.run, &fd, 1, NULL) : NULL;
	if (is_child) _exit(0); /* nothing is left to wait for, in a child whose forker has gone */
	int failed = none == NULL;
	if (failed && quitting && py.PyErr_Occurred() && py.PyErr_ExceptionMatches(py.PyExc_SystemExit)) {
		py.PyErr_Clear(); /* a handler's, out of a greenlet that is no request's */
		failed = 0;
	}
	if (failed) call_report(NULL);
	if (fd) py.Py_DecRef(fd);
	if (none) py.Py_DecRef(none);
	gil_give(t);
	return failed ? -1 : 0;
}

static PyObject *forker; /* the greenlet in which this process was forked */

/* green_after_fork_child: the loop runs on in the child, and Go's set stays in it as a number. It is neither deleted from
 * the loop's own set, which may still be the parent's, nor closed, since libev aborts over that: the number gets
 * another meaning, of something that never comes. 1: fd is that one. */
int green_after_fork_child(int fd) {
	if (!green_on || fd != set) return 0;
	int never = eventfd(0, EFD_CLOEXEC);
	if (never < 0 || dup3(never, fd, O_CLOEXEC) < 0) return 0;
	close(never);
	return 1;
}

void green_forked(void) {
	if (green_on) forker = py.PyObject_VectorcallDict(hub.getcurrent, NULL, 0, NULL);
}

/* green_is_copy: whether this is a copy of another request than the one that has forked the process: it ends quietly. */
int green_is_copy(void) {
	if (!green_on) return 0;
	PyObject *type, *value, *traceback;
	py.PyErr_Fetch(&type, &value, &traceback); /* the request may have ended with an exception */
	PyObject *me = py.PyObject_VectorcallDict(hub.getcurrent, NULL, 0, NULL);
	py.PyErr_Restore(type, value, traceback);
	if (me != NULL) py.Py_DecRef(me);
	return me != forker;
}
