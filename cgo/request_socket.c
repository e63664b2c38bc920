/* request_socket.c: gunicorn.socket: an object that becomes a real socket.socket (of a dup) at its
 * first use, and what Go is asked before that one is used (pyshim: request/client_socket.py;
 * wsgi/server/takeover.go). */
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* flush_batch: what the application has yielded leaves before what it writes itself. */
static void flush_batch(const socket_object *s) {
	if (is_child || s->call == NULL) return;
	batch *b = &s->call->thread->batch;
	while (!batch_flush(b)) {
		struct pollfd room = {s->fd, POLLOUT, 0};
		PyThreadState *state = py.PyEval_SaveThread();
		poll(&room, 1, 1000);
		py.PyEval_RestoreThread(state);
	}
}

/* none_of: there is nothing to ask Go for: in a forked child the socket is the child's copy, and
 * an answer that is suspended has begun. */
static int none_of(const socket_object *s, const gosrv_call *c) {
	return is_child || c == NULL || s->call != c || (c->thread->current != c && !c->green);
}

static int64_t ask_by_thread(gosrv_thread *t, int use, char *buf, uint64_t room) {
	PyThreadState *state = guest_enter(t);
	int64_t n = gosrvSocket(t->slot, use, buf, room);
	guest_leave(t, state);
	return n;
}

/* ask_go: *bytes are malloc'ed, what was received behind the request; their number, or -errno. */
static int64_t ask_go(gosrv_call *c, int use, char **bytes) {
	uint64_t room = 0;
	for (;;) {
		int64_t n = c->green ? green_socket(c, use, *bytes, room) : ask_by_thread(c->thread, use, *bytes, room);
		if (n <= (int64_t)room) return n;
		free(*bytes);
		if ((*bytes = malloc(n)) == NULL) return -ENOMEM;
		room = (uint64_t)n;
	}
}

/* grant(use): asked by the real socket before the application uses it. The bytes behind the
 * request; with TAKE and SEND, whose answer is None otherwise, they are the application's from now
 * on, and so is all that comes. An answer that has begun is still the server's to end, as
 * Gunicorn does: what the application sends stands between its pieces. */
static PyObject *grant(PyObject *self, PyObject *number) {
	enum { LOOK, READ, TAKE, SEND, SECURE, TUNNEL }; /* client_socket.py has these numbers, too */
	socket_object *s = (socket_object *)self;
	gosrv_call *c = s->call;
	int asked = (int)py.PyLong_AsLongLong(number), use = GOSRV_SOCKET_LOOK;
	if (c != NULL && !is_child) guest_await(c->thread);
	int none = none_of(s, c);
	if (asked == READ || (asked == TAKE && !none && c->head_sent)) use = GOSRV_SOCKET_READ;
	if ((asked == TAKE || asked == SEND) && !none && !c->head_sent) use = GOSRV_SOCKET_TAKE;
	if (asked == SECURE || asked == TUNNEL) use = asked == SECURE ? GOSRV_SOCKET_SECURE : GOSRV_SOCKET_TUNNEL;
	char *bytes = NULL;
	int64_t n = none ? 0 : ask_go(c, use, &bytes);
	PyObject *result = NULL;
	if (n < 0) {
		errno = (int)-n;
		py.PyErr_SetFromErrno(py.PyExc_OSError);
	} else {
		s->used = s->used || asked != SECURE;
		s->taken = s->taken || use == GOSRV_SOCKET_TAKE;
		result = asked == SEND && use == GOSRV_SOCKET_LOOK ? py._Py_NoneStruct : py.PyBytes_FromStringAndSize(bytes ? bytes : "", n);
		if (result == py._Py_NoneStruct) py.Py_IncRef(result);
	}
	free(bytes);
	return result;
}

static PyMethodDef grant_def = {"grant", grant, METH_O, NULL};

/* real_end: the request of a real socket is over. The descriptor that it was left with, -1 for none. */
static int real_end(PyObject *real) {
	PyObject *end = py.PyObject_GetAttrString(real, "end");
	PyObject *left = end ? py.PyObject_VectorcallDict(end, NULL, 0, NULL) : NULL;
	int fd = left ? (int)py.PyLong_AsLongLong(left) : -1;
	if (left == NULL) py.PyErr_Print();
	if (left) py.Py_DecRef(left);
	if (end) py.Py_DecRef(end);
	return fd;
}

/* real_open: the request's real socket, or, once that is over, one that is closed. Another thread
 * may do the same meanwhile: one is kept. -1 with an exception. */
static int real_open(socket_object *s) {
	gosrv_call *c = s->call;
	if (c != NULL) flush_batch(s);
	PyObject *args[2] = {py.PyLong_FromLong(s->fd), py.PyCFunction_NewEx(&grant_def, (PyObject *)s, NULL)};
	PyObject *real = args[0] && args[1] ? py.PyObject_VectorcallDict(shim.open_socket, args, 2, NULL) : NULL;
	for (int i = 0; i < 2; i++)
		if (args[i]) py.Py_DecRef(args[i]);
	if (real == NULL) return -1;
	if (s->real == NULL && s->call == c) {
		s->real = real; /* not counted: it may outlive the call with the application */
		return 0;
	}
	int fd = real_end(real);
	if (fd >= 0) close(fd);
	py.Py_DecRef(real);
	return s->real != NULL ? 0 : real_open(s);
}

PyObject *socket_getattro(PyObject *self, PyObject *name) {
	socket_object *s = (socket_object *)self;
	if (s->real == NULL && real_open(s) < 0) return NULL;
	return py.PyObject_GetAttr(s->real, name);
}

static PyObject *socket_enter(PyObject *self, PyObject *unused) {
	(void)unused;
	py.Py_IncRef(self);
	return self;
}

static PyObject *socket_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
	(void)args, (void)nargs;
	PyObject *close = py.PyObject_GetAttrString(self, "close");
	PyObject *none = close ? py.PyObject_VectorcallDict(close, NULL, 0, NULL) : NULL;
	if (close) py.Py_DecRef(close);
	return none;
}

/* Python looks for these in the type. */
PyMethodDef socket_methods[] = {
	{"__enter__", socket_enter, METH_NOARGS, NULL},
	{"__exit__", (PyCFunction)(void *)socket_exit, METH_FASTCALL, NULL},
	{NULL, NULL, 0, NULL}};

void socket_lend(socket_object *s, gosrv_call *c, int fd) {
	s->call = c;
	s->fd = fd;
	s->used = s->taken = 0;
}

int socket_end(socket_object *s) {
	int fd = s->real && s->call ? real_end(s->real) : -1;
	if (fd >= 0 && !s->taken) {
		close(fd); /* a dup: the server's own stays open */
		fd = -1;
	}
	s->call = NULL;
	s->fd = -1;
	return fd;
}

void socket_free(socket_object *s) {
	socket_end(s);
	if (s->real) py.Py_DecRef(s->real);
}

int socket_used(const gosrv_call *c) { return ((socket_object *)c->objects.socket)->used; }

int socket_taken(const gosrv_call *c) { return ((socket_object *)c->objects.socket)->taken; }

/* client_gone: whether the OSError that is set says that there is no client any more. */
static int client_gone(void) {
	PyObject *type, *value, *traceback;
	py.PyErr_Fetch(&type, &value, &traceback);
	py.PyErr_NormalizeException(&type, &value, &traceback);
	PyObject *number = value ? py.PyObject_GetAttrString(value, "errno") : NULL;
	long long e = number && number != py._Py_NoneStruct ? py.PyLong_AsLongLong(number) : 0;
	if (number) py.Py_DecRef(number);
	if (py.PyErr_Occurred()) py.PyErr_Clear();
	py.PyErr_Restore(type, value, traceback);
	return e == EPIPE || e == ECONNRESET || e == ENOTCONN;
}

int socket_handled(const gosrv_call *c) {
	if (!socket_used(c)) return 0;
	if (py.PyErr_ExceptionMatches(py.PyExc_StopIteration)) return 1;
	if (!socket_taken(c) && !c->head_sent) return 0;
	if (socket_taken(c) && py.PyErr_ExceptionMatches(py.PyExc_ConnectionError)) return 1;
	return py.PyErr_ExceptionMatches(py.PyExc_OSError) && client_gone();
}
