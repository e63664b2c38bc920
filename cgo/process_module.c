/* process_module.c: the module _gosrv, what the shim needs of C: forking, entering the worker,
 * process title, and the hooks of signals and forked children. */
#define _GNU_SOURCE
#include "process.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static PyObject *none(void) {
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

/* reap waits for a child whose exit code is 0 or an errno, which it leaves in errno. */
static int reap(pid_t pid) {
	int status;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
	return errno == 0 ? 0 : -1;
}

/* one_thread: whether this process has no second thread; the directory has a link for each. */
static int one_thread(void) {
	struct stat task;
	return stat("/proc/self/task", &task) == 0 && task.st_nlink == 3;
}

/* process_fork: two forks, and between them a process that only leaves, so that the new
 * process becomes the master's child (PR_SET_CHILD_SUBREAPER); it returns when the one between
 * has gone. Python's at-fork hooks see one fork, from the first process to the last: a library
 * that stops its threads before and starts them again after it finds them where they are. The one
 * between borrows the memory (vfork), since a second copy of it takes as long as the first, unless there
 * are threads: those that a pthread_atfork handler starts again would be its, and end with it. */
int process_fork(void) {
	int gone[2];
	if (pipe2(gone, O_CLOEXEC) != 0) return -1;
	py.PyOS_BeforeFork();
	pid_t pid = one_thread() ? vfork() : fork();
	if (pid == 0) {
		pid_t between = getpid(), worker = fork();
		if (worker != 0) _exit(worker < 0 ? errno : 0);
		char end;
		close(gone[1]);
		while (read(gone[0], &end, 1) < 0 && errno == EINTR) {}
		close(gone[0]);
		/* a process that ends closes its descriptors first, and gives its children away later */
		while (getppid() == between) usleep(200);
		py.PyOS_AfterFork_Child();
		return 1;
	}
	int error = errno;
	close(gone[0]);
	close(gone[1]);
	py.PyOS_AfterFork_Parent();
	errno = error;
	return pid < 0 || reap(pid) != 0 ? -1 : 0;
}

/* fork_worker(): True in the worker, False in the zygote. */
static PyObject *fork_worker(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	int forked = process_fork();
	return forked < 0 ? py.PyErr_SetFromErrno(py.PyExc_OSError) : py.PyBool_FromLong(forked);
}

/* fork_on_trial(): a fork without Python's hooks, whose child leaves at once. */
static PyObject *fork_on_trial(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	pid_t pid = fork();
	if (pid == 0) _exit(0);
	if (pid < 0 || reap(pid) != 0) return py.PyErr_SetFromErrno(py.PyExc_OSError);
	return none();
}

/* fill_holes(): see process_heap_holes.c. */
static PyObject *fill_holes(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	process_fill_holes();
	return none();
}

/* rest(fd): wait a second for something on fd. False if it came; else the pages of a start are
 * dropped: see process_code_pages.c. */
static PyObject *rest(PyObject *self, PyObject *number) {
	(void)self;
	struct pollfd p = {.fd = (int)py.PyLong_AsLongLong(number), .events = POLLIN};
	if (p.fd == -1 && py.PyErr_Occurred()) return NULL;
	PyThreadState *state = py.PyEval_SaveThread();
	int came = poll(&p, 1, 1000);
	py.PyEval_RestoreThread(state);
	if (came == 0) process_drop_pages();
	return py.PyBool_FromLong(came == 0);
}

static PyObject *set_title(PyObject *self, PyObject *text) {
	(void)self;
	const char *p = py.PyUnicode_AsUTF8AndSize(text, NULL);
	if (p == NULL) return NULL;
	process_title(p);
	return none();
}

/* die_with(signal): PR_SET_PDEATHSIG; set after setuid, which clears it. */
static PyObject *die_with(PyObject *self, PyObject *number) {
	(void)self;
	long long s = py.PyLong_AsLongLong(number);
	if (s == -1 && py.PyErr_Occurred()) return NULL;
	if (prctl(PR_SET_PDEATHSIG, (unsigned long)s) != 0) return py.PyErr_SetFromErrno(py.PyExc_OSError);
	return none();
}

/* pass_over_signals(): see process.h. */
static PyObject *pass_over_signals(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	process_pass_over_signals();
	return none();
}

/* end_with_master(control): see process.h. */
static PyObject *end_with_master(PyObject *self, PyObject *control) {
	(void)self;
	long long fd = py.PyLong_AsLongLong(control);
	if (fd == -1 && py.PyErr_Occurred()) return NULL;
	process_end_with_master((int)fd);
	return none();
}

/* no_new_privileges(): from here on no set-user-ID program gives this process, or one it
 * starts, more than it has. */
static PyObject *no_new_privileges(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return py.PyErr_SetFromErrno(py.PyExc_OSError);
	return none();
}

static int keep(PyObject *worker, const char *name, PyObject **slot) {
	*slot = py.PyObject_GetAttrString(worker, name);
	return *slot ? 0 : -1;
}

/* enter_worker(fd, worker): this process is a worker; Go starts when the shim returns. */
/* adopt_hub: the event loop of Python's that the worker has, if it has one. -1 with an exception. */
static int adopt_hub(PyObject *worker) {
	PyObject *hub = NULL, *hooked = NULL;
	if (keep(worker, "hub", &hub) || keep(worker, "hooked", &hooked)) return -1;
	shim.hooked = py.PyObject_IsTrue(hooked);
	py.Py_DecRef(hooked);
	int failed = hub == py._Py_NoneStruct ? 0 : green_adopt(hub);
	py.Py_DecRef(hub);
	return failed;
}

static PyObject *enter_worker(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
	(void)self;
	if (nargs != 2) {
		py.PyErr_SetString(py.PyExc_TypeError, "enter_worker(fd, worker)");
		return NULL;
	}
	long long fd = py.PyLong_AsLongLong(args[0]);
	if (fd == -1 && py.PyErr_Occurred()) return NULL;
	PyObject *w = args[1];
	if (keep(w, "application", &shim.application) || keep(w, "handle_exception", &shim.handle_exception)
		|| keep(w, "handle_fault", &shim.handle_fault)
		|| keep(w, "file_wrapper", &shim.file_wrapper) || keep(w, "sendfile_range", &shim.sendfile_range)
		|| keep(w, "open_socket", &shim.open_socket) || keep(w, "base_environ", &shim.base_environ)
		|| keep(w, "shutdown", &shim.shutdown) || keep(w, "start_threads", &shim.start_threads)
		|| keep(w, "leave_child", &shim.leave_child)
		|| keep(w, "reopen_logs", &shim.reopen_logs) || keep(w, "log_route", &shim.log_route)
		|| keep(w, "refork", &shim.refork) || keep(w, "enable_faults", &shim.enable_faults) || keep(w, "last_words", &shim.last_words)
		|| objects_init() || environ_init() || adopt_hub(w))
		return NULL;
	process_enter_worker((int)fd);
	return none();
}

/* wakeup_open(): the descriptor for signal.set_wakeup_fd. */
static PyObject *wakeup_open(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	if (signals_wakeup_open() != 0) return py.PyErr_SetFromErrno(py.PyExc_OSError);
	return py.PyLong_FromLong(signals_wakeup_writer());
}

/* request(bits): GOSRV_SIG_* for the Go side, from a signal handler or worker.alive. */
static PyObject *request(PyObject *self, PyObject *number) {
	(void)self;
	long long bits = py.PyLong_AsLongLong(number);
	if (bits == -1 && py.PyErr_Occurred()) return NULL;
	signal_requests |= (uint32_t)bits;
	if (bits & GOSRV_SIG_QUIT) quitting = 1;
	/* the loop looks when its descriptor is readable; full means that it will look anyway */
	if (write(signals_wakeup_writer(), "", 1) < 0) errno = 0;
	return none();
}

/* calling(): whether the main thread is inside the application. */
static PyObject *calling(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	return py.PyBool_FromLong(main_thread.calling);
}

/* stacks_open(signal): faulthandler.register(signal) for gosrv_stacks. */
static PyObject *open_stacks(PyObject *self, PyObject *number) {
	(void)self;
	long long s = py.PyLong_AsLongLong(number);
	if (s == -1 && py.PyErr_Occurred()) return NULL;
	return stacks_open((int)s) < 0 ? NULL : none();
}

/* stacks_shown(): whether the log has the stacks of this process. */
static PyObject *shown_stacks(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	return py.PyBool_FromLong(stacks_were_shown());
}

static PyObject *fix_onstack(PyObject *self, PyObject *number) {
	(void)self;
	long long s = py.PyLong_AsLongLong(number);
	if (s == -1 && py.PyErr_Occurred()) return NULL;
	signals_fix_onstack((int)s);
	return none();
}

static PyObject *after_fork_child(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	signals_after_fork_child();
	return none();
}

static PyObject *before_fork(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	signals_before_fork();
	return none();
}

/* after_fork(): in the parent, and in the child once its handlers are right. */
static PyObject *after_fork(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	signals_after_fork();
	return none();
}

/* enter_thread(slot): the body of a worker thread: goes into Go and comes back at exit. */
static PyObject *enter_thread(PyObject *self, PyObject *number) {
	(void)self;
	long long slot = py.PyLong_AsLongLong(number);
	if (slot == -1 && py.PyErr_Occurred()) return NULL;
	gosrv_thread *t = calloc(1, sizeof *t); /* for life: Go keeps the handle */
	if (t == NULL) {
		py.PyErr_SetString(py.PyExc_RuntimeError, "no memory for a worker thread");
		return NULL;
	}
	t->slot = (int)slot;
	t->state = py.PyEval_SaveThread();
	gosrvThreadEnter((int)slot, t);
	py.PyEval_RestoreThread(t->state);
	return none();
}

/* note_environ(keys): see request_environ.c. */
static PyObject *note_environ(PyObject *self, PyObject *keys) {
	(void)self;
	py.Py_IncRef(keys);
	noted_keys = keys;
	return none();
}

/* lacks(): None, or what process_lacks says: Go is about to start. */
static PyObject *lacks(PyObject *self, PyObject *unused) {
	(void)self, (void)unused;
	const char *text = process_lacks();
	return text ? py.PyUnicode_DecodeUTF8(text, strlen(text), NULL) : none();
}

static PyMethodDef functions[] = {
	{"lacks", lacks, METH_NOARGS, NULL},
	{"request_head", request_head, METH_O, NULL},
	{"connection", request_connection, METH_O, NULL},
	{"close_connection", request_close_connection, METH_O, NULL},
	{"notify", process_notify, METH_NOARGS, NULL},
	{"limit_requests", process_limit_requests, METH_O, NULL},
	{"requests", process_requests, METH_NOARGS, NULL},
	{"note_environ", note_environ, METH_O, NULL},
	{"fork_worker", fork_worker, METH_NOARGS, NULL},
	{"fork_on_trial", fork_on_trial, METH_NOARGS, NULL},
	{"fill_holes", fill_holes, METH_NOARGS, NULL},
	{"rest", rest, METH_O, NULL},
	{"set_title", set_title, METH_O, NULL},
	{"die_with", die_with, METH_O, NULL},
	{"end_with_master", end_with_master, METH_O, NULL},
	{"pass_over_signals", pass_over_signals, METH_NOARGS, NULL},
	{"no_new_privileges", no_new_privileges, METH_NOARGS, NULL},
	{"enter_worker", (PyCFunction)(void *)enter_worker, METH_FASTCALL, NULL},
	{"wakeup_open", wakeup_open, METH_NOARGS, NULL},
	{"request", request, METH_O, NULL},
	{"calling", calling, METH_NOARGS, NULL},
	{"stacks_open", open_stacks, METH_O, NULL},
	{"stacks_shown", shown_stacks, METH_NOARGS, NULL},
	{"fix_onstack", fix_onstack, METH_O, NULL},
	{"before_fork", before_fork, METH_NOARGS, NULL},
	{"after_fork", after_fork, METH_NOARGS, NULL},
	{"after_fork_child", after_fork_child, METH_NOARGS, NULL},
	{"enter_thread", enter_thread, METH_O, NULL},
	{"pump", green_pump, METH_NOARGS, NULL},
	{"run_request", green_run, METH_O, NULL},
	{NULL, NULL, 0, NULL}};

PyObject *module_new(void) {
	PyObject *module = py.PyModule_New("_gosrv");
	if (module != NULL && py.PyModule_AddFunctions(module, functions) == 0) return module;
	return NULL;
}
