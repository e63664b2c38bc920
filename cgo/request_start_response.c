/* request_start_response.c: start_response, the write() callable and wsgi.early_hints (PEP 3333; 103 as
 * Gunicorn has it). The response head is packed here as bytes; Go checks and frames it. */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADERS = 0xFFFF };

static int reserve(gosrv_call *c, size_t more) {
	size_t want = c->head_len + more;
	if (want <= c->head_cap) return 0;
	if (want > 0x40000000) {
		py.PyErr_SetString(py.PyExc_ValueError, "response head over 1 GiB");
		return -1;
	}
	size_t cap = c->head_cap ? c->head_cap : 1024;
	while (cap < want) cap *= 2;
	char *head = realloc(c->head, cap);
	if (head == NULL) {
		py.PyErr_SetString(py.PyExc_RuntimeError, "no memory for the response head");
		return -1;
	}
	c->head = head;
	c->head_cap = cap;
	return 0;
}

static void put(gosrv_call *c, const void *p, size_t n) {
	memcpy(c->head + c->head_len, p, n);
	c->head_len += n;
}

/* latin1: the bytes of a str without copying when it is ASCII. *held is dropped by the
 * caller. -1 with an exception. */
static int latin1(PyObject *text, const char *what, const char **p, Py_ssize_t *n, PyObject **held) {
	*held = NULL;
	if (!py_is_str(text)) {
		py.PyErr_Format(py.PyExc_TypeError, "%s must be a str (PEP 3333), not %R", what, py_type(text));
		return -1;
	}
	*p = py.PyUnicode_AsUTF8AndSize(text, n);
	if (*p != NULL && *n == py.PyUnicode_GetLength(text)) return 0;
	py.PyErr_Clear();
	*held = take(py.PyUnicode_AsLatin1String(text));
	if (*held == NULL) return -1;
	return py.PyBytes_AsStringAndSize(*held, (char **)p, n);
}

static int put_status(gosrv_call *c, PyObject *status) {
	const char *p;
	Py_ssize_t n;
	PyObject *held;
	int failed = latin1(status, "the status", &p, &n, &held);
	if (!failed && n > 0xFFFF) {
		py.PyErr_SetString(py.PyExc_ValueError, "the status is over 64 KiB");
		failed = -1;
	}
	if (!failed) failed = reserve(c, 4 + n);
	if (!failed) {
		uint16_t len = (uint16_t)n;
		put(c, &len, 2);
		put(c, p, n);
	}
	drop(held);
	return failed;
}

/* trim: a header value without the blanks around it, which are none of it (RFC 9110 5.5). */
static void trim(const char **p, Py_ssize_t *n) {
	while (*n > 0 && (**p == ' ' || **p == '\t')) {
		(*p)++;
		(*n)--;
	}
	while (*n > 0 && ((*p)[*n - 1] == ' ' || (*p)[*n - 1] == '\t')) (*n)--;
}

static int put_pair(gosrv_call *c, PyObject *name, PyObject *value) {
	const char *np, *vp;
	Py_ssize_t nn, vn;
	PyObject *nheld = NULL, *vheld = NULL;
	int failed = latin1(name, "a header name", &np, &nn, &nheld)
		|| latin1(value, "a header value", &vp, &vn, &vheld);
	if (!failed) trim(&vp, &vn);
	if (!failed && (nn > 0xFFFF || vn > 0x7FFFFFFF)) {
		py.PyErr_SetString(py.PyExc_ValueError, "a response header is too long");
		failed = -1;
	}
	if (!failed) failed = reserve(c, 6 + nn + vn);
	if (!failed) {
		uint16_t name_len = (uint16_t)nn;
		uint32_t value_len = (uint32_t)vn;
		put(c, &name_len, 2);
		put(c, &value_len, 4);
		put(c, np, nn);
		put(c, vp, vn);
	}
	drop(nheld);
	drop(vheld);
	return failed ? -1 : 0;
}

static int put_item(gosrv_call *c, PyObject *pair) {
	if (py_is_tuple(pair) && py.PyTuple_Size(pair) == 2)
		return put_pair(c, py.PyTuple_GetItem(pair, 0), py.PyTuple_GetItem(pair, 1));
	if (py_has_flag(pair, FLAG_LIST) && py.PyList_Size(pair) == 2)
		return put_pair(c, py.PyList_GetItem(pair, 0), py.PyList_GetItem(pair, 1));
	py.PyErr_SetString(py.PyExc_TypeError, "headers must be (name, value) pairs (PEP 3333)");
	return -1;
}

/* put_iterable: anything else than a list is not PEP 3333, but Gunicorn takes it; a subclass
 * of list may iterate in its own way. The number of pairs, -1 with an exception. */
static Py_ssize_t put_iterable(gosrv_call *c, PyObject *headers) {
	PyObject *iterator = take(py.PyObject_GetIter(headers)), *pair;
	Py_ssize_t count = 0;
	int failed = iterator == NULL;
	while (!failed && count <= MAX_HEADERS && (pair = take(py.PyIter_Next(iterator))) != NULL) {
		failed = put_item(c, pair);
		count++;
		drop(pair);
	}
	drop(iterator);
	return failed || py.PyErr_Occurred() ? -1 : count;
}

static Py_ssize_t put_list(gosrv_call *c, PyObject *headers) {
	Py_ssize_t i = 0; /* no Python code runs in between, so the list stays as it is */
	for (; i < py.PyList_Size(headers) && i <= MAX_HEADERS; i++)
		if (put_item(c, py.PyList_GetItem(headers, i)) < 0) return -1;
	return i;
}

static int put_headers(gosrv_call *c, PyObject *headers) {
	uint32_t count_at = c->head_len;
	if (reserve(c, 2) < 0) return -1;
	c->head_len += 2;
	Py_ssize_t count = py_type(headers) == py.PyList_Type ? put_list(c, headers) : put_iterable(c, headers);
	if (count < 0) return -1;
	if (count > MAX_HEADERS) {
		py.PyErr_SetString(py.PyExc_ValueError, "over 65,535 response headers");
		return -1;
	}
	uint16_t n = (uint16_t)count;
	memcpy(c->head + count_at, &n, 2);
	return 0;
}

/* call_of: the live call behind a bound function; NULL with an exception after its end. */
static gosrv_call *call_of(PyObject *self) {
	child_turned_away |= is_child;
	gosrv_call *c = is_child ? NULL : ((request_object *)self)->call;
	if (c == NULL)
		py.PyErr_SetString(py.PyExc_RuntimeError, is_child
			? "the response belongs to the process that got the request, not to its forked child"
			: "the request is over");
	return c;
}

/* admit: whether this thread may enter Go for the call now, once no other one is there. Between
 * two crossings it may not: Go serves others then, and their connection would get it. 0 with
 * an exception. */
static int admit(PyObject *self, const gosrv_call *c) {
	if (c->green) return 1; /* a leaf call is over before another one begins */
	guest_await(c->thread);
	if (((request_object *)self)->call == c && c->thread->current == c) return 1;
	py.PyErr_SetString(py.PyExc_RuntimeError, "the application is not asked for anything now: the request is over, or its client is slow to read");
	return 0;
}

PyThreadState *guest_enter(gosrv_thread *t) {
	t->guest = 1;
	return py.PyEval_SaveThread();
}

void guest_leave(gosrv_thread *t, PyThreadState *state) {
	py.PyEval_RestoreThread(state);
	t->guest = 0;
}

static PyObject *write_body(PyObject *self, PyObject *data) {
	gosrv_call *c = call_of(self);
	char *p;
	Py_ssize_t n;
	if (c == NULL) return NULL;
	if (!py_is_bytes(data)) {
		py.PyErr_Format(py.PyExc_TypeError, "write() takes bytes (PEP 3333), not %R", py_type(data));
		return NULL;
	}
	if (py.PyBytes_AsStringAndSize(data, &p, &n) < 0 || !admit(self, c)) return NULL;
	if (socket_taken(c)) {
		errno = EPIPE;
		return py.PyErr_SetFromErrno(py.PyExc_OSError);
	}
	if (c->green) {
		if (green_write(c, data, p, n) < 0) return NULL;
		py.Py_IncRef(py._Py_NoneStruct);
		return py._Py_NoneStruct;
	}
	uint32_t head_len = c->head_sent ? 0 : c->head_len;
	c->head_sent = 1;
	gosrv_thread *t = c->thread;
	batch *b = &t->batch;
	batch_reclaim(b); /* what waits leaves first */
	uint64_t done = b->sent, end = b->end, payload = (uint64_t)b->payload;
	b->sent = b->end = 0;
	b->payload = 0;
	if (b->left > 0) b->left = n < b->left ? b->left - n : 0;
	PyThreadState *state = guest_enter(t);
	int sent = gosrvWrite(t->slot, done, end, payload, c->head, head_len, p, n);
	guest_leave(t, state);
	if (!sent) {
		py.PyErr_SetString(py.PyExc_OSError, "the client has gone or does not read");
		return NULL;
	}
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

PyMethodDef write_def = {"write", write_body, METH_O, "write(bytes): PEP 3333's write callable"};

/* raise_again: PEP 3333: with exc_info after the head has left, the exception goes on. */
static void raise_again(PyObject *exc_info) {
	PyObject *parts[3] = {NULL, NULL, NULL};
	for (int i = 0; i < 3 && py_is_tuple(exc_info) && py.PyTuple_Size(exc_info) == 3; i++) {
		parts[i] = py.PyTuple_GetItem(exc_info, i);
		if (parts[i] == py._Py_NoneStruct) parts[i] = NULL;
		if (parts[i]) py.Py_IncRef(parts[i]);
	}
	if (parts[0] != NULL)
		py.PyErr_Restore(parts[0], parts[1], parts[2]);
	else
		py.PyErr_SetString(py.PyExc_TypeError, "exc_info must be what sys.exc_info() gives");
}

static PyObject *start_response(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
	PyObject *names) {
	gosrv_call *c = call_of(self);
	if (c == NULL) return NULL;
	Py_ssize_t named = names ? py.PyTuple_Size(names) : 0, total = nargs + named;
	const char *last = named ? py.PyUnicode_AsUTF8AndSize(py.PyTuple_GetItem(names, named - 1), NULL) : "";
	if (total < 2 || total > 3 || named > 1 || (named == 1 && (nargs != 2 || last == NULL || strcmp(last, "exc_info") != 0))) {
		py.PyErr_SetString(py.PyExc_TypeError, "start_response(status, headers, exc_info=None)");
		return NULL;
	}
	PyObject *exc_info = total == 3 && args[2] != py._Py_NoneStruct ? args[2] : NULL;
	if (exc_info != NULL && c->head_sent) {
		raise_again(exc_info);
		return NULL;
	}
	if (exc_info == NULL && c->started) {
		py.PyErr_SetString(py.PyExc_AssertionError, "Response headers already set!");
		return NULL;
	}
	if (!admit(self, c)) return NULL;
	c->started = 0;
	c->head_len = 0;
	if (put_status(c, args[0]) < 0 || put_headers(c, args[1]) < 0) return NULL;
	c->started = 1;
	py.Py_IncRef(c->objects.write);
	return c->objects.write;
}

PyMethodDef start_response_def = {"start_response", (PyCFunction)(void *)start_response,
	METH_FASTCALL | METH_KEYWORDS, "start_response(status, headers, exc_info=None) -> write"};

/* hint: 103 with these headers, or trailers; 0: one of them is invalid, -1 with an exception. */
static int hint(gosrv_call *c, char *head, uint32_t len) {
	gosrv_thread *t = c->thread;
	if (c->green) return green_hints(c, head, len);
	guest_await(t); /* the headers may have been an iterator */
	PyThreadState *state = guest_enter(t);
	int valid = gosrvEarlyHints(t->slot, head, len);
	guest_leave(t, state);
	return valid;
}

/* hint_headers: packed like a head, with kind in the place of its status, after the response's own bytes, and taken
 * off again. None, or NULL with an exception. */
static PyObject *hint_headers(PyObject *self, gosrv_call *c, const char *kind, PyObject *headers, const char *invalid) {
	if (!admit(self, c)) return NULL;
	uint32_t before = c->head_len;
	uint16_t n = (uint16_t)strlen(kind);
	int failed = reserve(c, 2 + n) < 0;
	if (!failed) {
		put(c, &n, 2);
		put(c, kind, n);
		failed = put_headers(c, headers) < 0;
	}
	uint32_t len = c->head_len - before;
	c->head_len = before;
	if (failed) return NULL;
	int valid = hint(c, c->head + before, len);
	if (valid < 0) return NULL;
	if (!valid) { /* Gunicorn: InvalidResponseHeader, which an application sees as an exception too */
		py.PyErr_SetString(py.PyExc_ValueError, invalid);
		return NULL;
	}
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

static PyObject *early_hints(PyObject *self, PyObject *headers) {
	gosrv_call *c = call_of(self);
	if (c == NULL) return NULL;
	if (!c->head_sent && !socket_taken(c)) return hint_headers(self, c, "", headers, "early_hints: a header's name or value is invalid");
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

PyMethodDef early_hints_def = {"early_hints", early_hints, METH_O,
	"early_hints([(name, value), ...]): send 103 Early Hints (RFC 8297)"};

static PyObject *send_trailers(PyObject *self, PyObject *headers) {
	gosrv_call *c = call_of(self);
	if (c == NULL) return NULL;
	return hint_headers(self, c, "trailers", headers, "send_trailers: a name or value is invalid, or belongs to the connection");
}

PyMethodDef send_trailers_def = {"send_trailers", send_trailers, METH_O,
	"send_trailers([(name, value), ...]): what follows the body of the answer"};

/* live_call: the call behind a start_response while its first crossing lasts, in which what Go has
 * lent is there; NULL with an exception after it, and for anything else. */
static gosrv_call *live_call(PyObject *start_response) {
	PyObject *self = take(py.PyObject_GetAttrString(start_response, "__self__"));
	gosrv_call *c = self != NULL && is_request(self) && !is_child ? ((request_object *)self)->call : NULL;
	if (self != NULL && (c == NULL || c->request == NULL)) {
		py.PyErr_SetString(py.PyExc_RuntimeError, "the request is over, or this is not the server's start_response");
		c = NULL;
	}
	drop(self);
	return c;
}

/* request_head(start_response): the bytes of the request's head, with the empty line at its end. */
PyObject *request_head(PyObject *module, PyObject *start_response) {
	(void)module;
	gosrv_call *c = live_call(start_response);
	return c == NULL ? NULL : py.PyBytes_FromStringAndSize(c->request->head, (Py_ssize_t)c->request->head_len);
}

/* connection(start_response): the descriptor of the client's connection, which stays the server's. */
PyObject *request_connection(PyObject *module, PyObject *start_response) {
	(void)module;
	gosrv_call *c = live_call(start_response);
	return c == NULL ? NULL : py.PyLong_FromLong(c->fd);
}

/* close_connection(start_response): the connection ends with this answer. */
PyObject *request_close_connection(PyObject *module, PyObject *start_response) {
	(void)module;
	gosrv_call *c = live_call(start_response);
	if (c == NULL) return NULL;
	if (c->green)
		green_ends(c);
	else
		c->thread->ends = 1;
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}
