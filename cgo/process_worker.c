/* process_worker.c: the rest of gosrv.h: words with hooks, threads, descriptors, counters, log files, the end. */
#define _GNU_SOURCE
#include "process.h"
#include "request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static gosrv_word word;

gosrv_word *gosrv_worker_word(void) { return &word; }

/* notify(): the worker is busy and not stuck. */
PyObject *process_notify(PyObject *module, PyObject *unused) {
	(void)module, (void)unused;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	__atomic_store_n(&word.notified, now.tv_sec * INT64_C(1000000000) + now.tv_nsec, __ATOMIC_RELAXED);
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

/* limit_requests(n): the worker is recycled once it has begun so many; 0: never. */
PyObject *process_limit_requests(PyObject *module, PyObject *number) {
	(void)module;
	long long n = py.PyLong_AsLongLong(number);
	if (n == -1 && py.PyErr_Occurred()) return NULL;
	__atomic_store_n(&word.max_requests, n > 0 ? (uint64_t)n : 0, __ATOMIC_RELAXED);
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

/* requests(): how many the worker has begun. */
PyObject *process_requests(PyObject *module, PyObject *unused) {
	(void)module, (void)unused;
	return py.PyLong_FromLong((long)__atomic_load_n(&word.requests, __ATOMIC_RELAXED));
}

int gosrv_threads_start(gosrv_thread *t, int n, const char *name) {
	gil_take(t);
	PyObject *args[2] = {py.PyLong_FromLong(n), py.PyUnicode_InternFromString(name)};
	PyObject *done = args[0] && args[1] ? py.PyObject_VectorcallDict(shim.start_threads, args, 2, NULL) : NULL;
	int result = done ? 0 : -1;
	if (done == NULL) call_report(NULL);
	if (done) py.Py_DecRef(done);
	for (int i = 0; i < 2; i++)
		if (args[i]) py.Py_DecRef(args[i]);
	gil_give(t);
	return result;
}

uint8_t *gosrv_fd_table(int *size) {
	static uint8_t *table;
	static int entries;
	if (table == NULL) {
		struct rlimit files;
		entries = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max < (1 << 20) ? (int)files.rlim_max : 1 << 20;
		table = calloc(entries, 1); /* untouched pages cost nothing */
	}
	*size = entries;
	return table;
}

void gosrv_counters(gosrv_thread *t, uint64_t *taken, uint64_t *dropped, uint64_t *crossings) {
	gil_take(t);
	*taken = refs_taken;
	*dropped = refs_dropped + refs_kept;
	*crossings = steps;
	gil_give(t);
}

int64_t gosrv_getenv(gosrv_thread *t, const char *name, char *out, uint64_t cap) {
	gil_take(t);
	const char *value = getenv(name);
	int64_t len = -1;
	if (value != NULL) {
		len = (int64_t)strlen(value);
		memcpy(out, value, (uint64_t)len < cap ? (uint64_t)len : cap);
	}
	gil_give(t);
	return len;
}

void gosrv_logs_reopen(gosrv_thread *t, int fd) {
	gil_take(t);
	PyObject *number = py.PyLong_FromLong(fd);
	PyObject *done = number ? py.PyObject_VectorcallDict(shim.reopen_logs, &number, 1, NULL) : NULL;
	if (done == NULL) call_report(NULL);
	if (done) py.Py_DecRef(done);
	if (number) py.Py_DecRef(number);
	gil_give(t);
}

int gosrv_logs_route(gosrv_thread *t, uint32_t *python, int *level) {
	gil_take(t);
	PyObject *route = py.PyObject_VectorcallDict(shim.log_route, NULL, 0, NULL);
	long long found[3] = {-1, 0, 0};
	for (int i = 0; route && i < 3; i++) found[i] = py.PyLong_AsLongLong(py.PyTuple_GetItem(route, i));
	if (route == NULL) call_report(NULL);
	if (route) py.Py_DecRef(route);
	gil_give(t);
	*python = (uint32_t)found[1];
	*level = (int)found[2];
	return (int)found[0];
}

struct ending {
	int code, deadline_ms;
};

/* end_after: the process ends even if a non-daemon thread of the application never does. */
static void *end_after(void *argument) {
	struct ending *e = argument;
	struct timespec left = {e->deadline_ms / 1000, e->deadline_ms % 1000 * 1000000L};
	while (nanosleep(&left, &left) != 0) {}
	_exit(e->code);
}

/* Py_FinalizeEx is never called: threads of the application and of C libraries may still
 * run, and meet freed memory (cpython#124619). */
void gosrv_exit(gosrv_thread *t, int code, int deadline_ms) {
	static struct ending e;
	pthread_t watchdog;
	e = (struct ending){code, deadline_ms};
	pthread_create(&watchdog, NULL, end_after, &e);
	gil_take(t);
	PyObject *done = py.PyObject_VectorcallDict(shim.shutdown, NULL, 0, NULL);
	if (done == NULL) py.PyErr_Print();
	_exit(code);
}
