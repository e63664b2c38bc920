/* request_call.c: the life of one run of application(environ, start_response) (PEP 3333).
 *
 *   Call --> DONE            list of bytes that fits: one crossing
 *        --> MORE --> next --> MORE ... --> LAST --> finish
 *        --> FILE --> finish
 * close() runs exactly once, in call_close, on every path. */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t steps;
int child_turned_away;

/* leave_if_child: the application forked and its child came back into the server: it must
 * not answer the request a second time. It ends as a Python script would. */
void leave_if_child(void) {
	if (!is_child || green_is_copy()) return;
	int code = py.PyErr_Occurred() && !child_turned_away;
	if (py.PyErr_Occurred()) py.PyErr_Print(); /* exits for SystemExit */
	PyObject *none = py.PyObject_VectorcallDict(shim.leave_child, NULL, 0, NULL);
	if (none == NULL) py.PyErr_Clear();
	_exit(code);
}

/* guest_await: Go's side of a slot is one thread's at a time, and a thread of the application
 * may be there with write(). */
void guest_await(gosrv_thread *t) {
	while (t->guest) {
		struct timespec moment = {0, 100000};
		PyThreadState *state = py.PyEval_SaveThread();
		nanosleep(&moment, NULL);
		py.PyEval_RestoreThread(state);
	}
}

void call_returned(gosrv_thread *t) {
	leave_if_child();
	guest_await(t);
}

static PyObject *text_of(const char *p, uint32_t n) {
	PyObject *text = p ? take(py.PyUnicode_DecodeLatin1(p, n, NULL)) : NULL;
	if (text == NULL) {
		py.PyErr_Clear();
		py.Py_IncRef(py._Py_NoneStruct);
		text = take(py._Py_NoneStruct);
	}
	return text;
}

static void call_shim(PyObject *function, PyObject **args, size_t n) {
	PyObject *none = take(py.PyObject_VectorcallDict(function, args, n, NULL));
	if (none == NULL) py.PyErr_Print();
	drop(none);
}

void call_report(gosrv_call *c) {
	PyObject *type, *value, *traceback;
	py.PyErr_Fetch(&type, &value, &traceback);
	py.PyErr_NormalizeException(&type, &value, &traceback);
	if (value && traceback) py.PyException_SetTraceback(value, traceback);
	PyObject *args[3] = {value ? value : py._Py_NoneStruct, text_of(c ? c->method : NULL, c ? c->method_len : 0),
		text_of(c ? c->uri : NULL, c ? c->uri_len : 0)};
	call_shim(shim.handle_exception, args, 3);
	drop(args[1]);
	drop(args[2]);
	if (type) py.Py_DecRef(type);
	if (value) py.Py_DecRef(value);
	if (traceback) py.Py_DecRef(traceback);
}

void call_fault(gosrv_call *c, const char *what) {
	PyObject *args[3] = {text_of(what, strlen(what)), text_of(c->method, c->method_len),
		text_of(c->uri, c->uri_len)};
	call_shim(shim.handle_fault, args, 3);
	for (int i = 0; i < 3; i++) drop(args[i]);
}

static gosrv_call *call_new(gosrv_thread *t) {
	gosrv_call *c = t->unused;
	if (c != NULL) {
		t->unused = c->next;
	} else {
		c = calloc(1, sizeof *c);
		if (c == NULL) return NULL;
	}
	char *head = c->head;
	uint32_t cap = c->head_cap;
	memset(c, 0, sizeof *c);
	c->head = head;
	c->head_cap = cap;
	c->thread = t;
	if (t->objects.request != NULL) {
		c->objects = t->objects;
		c->borrowed = 1;
		refs_kept -= CALL_OBJECTS_REFS;
		t->objects.request = NULL;
	} else if (call_objects_new(&c->objects) < 0) {
		py.PyErr_Clear();
		c->next = t->unused;
		t->unused = c;
		return NULL;
	}
	c->objects.request->call = c;
	return c;
}

/* thread_rebind: give the thread objects and put them into the bases' copies. */
static void thread_rebind(gosrv_thread *t) {
	if (call_objects_new(&t->objects) < 0) {
		py.PyErr_Clear();
		t->objects.request = NULL;
		return;
	}
	refs_kept += CALL_OBJECTS_REFS;
	t->epoch++; /* cached environs are bound again when they are used */
	t->holders = 0;
	for (; t->holders < MAX_LISTENERS && t->bases[t->holders] != NULL; t->holders++)
		if (environ_bind(t->bases[t->holders], &t->objects) < 0) py.PyErr_Clear();
}

/* objects_return: the objects go back to the thread when the application kept nothing of
 * it; otherwise what it kept is cut off from the server. */
static void objects_return(gosrv_call *c) {
	gosrv_thread *t = c->thread;
	call_objects *b = &c->objects;
	b->request->call = NULL;
	input_detach((input_object *)b->input);
	socket_object *socket = (socket_object *)b->socket;
	int taken = socket->taken, fd = socket_end(socket);
	if (taken) t->result.fd = fd;
	if (c->borrowed && call_objects_are_idle(b, t->holders) && socket->real == NULL) {
		t->objects = *b;
		refs_kept += CALL_OBJECTS_REFS;
		return;
	}
	call_objects_drop(b);
	if (c->borrowed) thread_rebind(t);
}

static void run_close(gosrv_call *c) {
	if (c->kind == KIND_LIST) return; /* a list has no close() */
	PyObject *close = take(py.PyObject_GetAttrString(c->result, "close"));
	if (close == NULL) {
		if (py.PyErr_ExceptionMatches(py.PyExc_AttributeError))
			py.PyErr_Clear();
		else
			call_report(c);
		return;
	}
	PyObject *none = take(py.PyObject_VectorcallDict(close, NULL, 0, NULL));
	leave_if_child();
	if (none == NULL) call_report(c);
	drop(none);
	drop(close);
}

/* failure_tell: log the exception that is set, unless the client's body is to blame. */
static void failure_tell(gosrv_call *c) {
	if (stream_to_blame((input_object *)c->objects.input) || green_ended_by(c) || is_child)
		py.PyErr_Clear();
	else
		call_report(c);
}

/* call_close: the end of every call: close() once, all references dropped. */
void call_close(gosrv_call *c) {
	gosrv_thread *t = c->thread;
	drop(c->piece);
	drop(c->next_item);
	if (failure_raise(c)) failure_tell(c);
	if (c->environ) {
		notes_take(c);
		green_keep_notes(c);
	}
	if (c->result) run_close(c);
	drop(c->iterator);
	drop(c->result);
	objects_return(c);
	free(c->where);
	c->where = NULL;
	c->next = t->unused;
	t->unused = c;
}

/* call_failed: the exception that is set, or the fault that was logged, ends the call. */
int call_failed(gosrv_call *c) {
	int state = GOSRV_FAILED;
	leave_if_child();
	if (py.PyErr_Occurred()) {
		if (quitting && py.PyErr_ExceptionMatches(py.PyExc_SystemExit))
			state = GOSRV_QUIT;
		else if (socket_handled(c))
			state = GOSRV_HANDLED;
		if (state != GOSRV_FAILED)
			py.PyErr_Clear();
		else
			failure_tell(c);
	}
	call_close(c);
	return state;
}

int call_wrong(gosrv_call *c, const char *what) {
	call_fault(c, what);
	return call_failed(c);
}

static PyObject *templates[MAX_LISTENERS]; /* environ's constant part, one a listener; kept for life */
static int templates_used;

/* thread_prepare: this thread's copies of the listeners' bases, holding its own objects. */
static void thread_prepare(gosrv_thread *t) {
	for (int i = 0; i < templates_used; i++) t->bases[i] = py.PyDict_Copy(templates[i]);
	thread_rebind(t);
}

/* plain_environ: a call with the thread's objects finds it in what it copies; one beside a
 * suspended call brings its own. */
static PyObject *plain_environ(gosrv_call *c, int base, const packed *request) {
	gosrv_thread *t = c->thread;
	uint32_t number = request->flags >> GOSRV_CACHED_SHIFT;
	if (c->borrowed) {
		t->objects = c->objects; /* for environ_bind; lent again below */
		PyObject *environ = number > 0 && number < GOSRV_CACHED ? environ_by_number(t, base, (int)number, request)
			: shape_environ(t, base, request);
		t->objects.request = NULL;
		return environ;
	}
	PyObject *environ = environ_build(t->bases[base], request);
	if (environ && environ_bind(environ, &c->objects) < 0) {
		drop(environ);
		return NULL;
	}
	return environ;
}

/* call_environ: plain_environ, and what a stream of HTTP/2 has beside it. */
static PyObject *call_environ(gosrv_call *c, int base, const packed *request) {
	PyObject *environ = plain_environ(c, base, request);
	if (environ && request->flags & GOSRV_HTTP2 && environ_of_stream(environ, request, (PyObject *)c->objects.request) < 0) {
		drop(environ);
		return NULL;
	}
	return environ;
}

static void step_begin(gosrv_thread *t, gosrv_call *c) {
	gil_take(t);
	steps++;
	t->calling = 1;
	t->current = c;
}

int64_t monotonic_now(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void step_end(gosrv_thread *t, int keep) {
	call_returned(t); /* a finaliser may have forked, too */
	t->current = NULL;
	t->result.now = monotonic_now();
	t->calling = 0;
	t->holding = keep;
	if (!keep) gil_give(t);
}

gosrv_call *call_begin(gosrv_thread *t, const gosrv_request *r, const packed *request, const char *mem, struct green *g, PyObject **environ) {
	if (t->bases[r->base] == NULL) thread_prepare(t);
	gosrv_call *c = call_new(t);
	if (c == NULL) return NULL;
	if (g == NULL) t->current = c;
	c->request = request;
	c->method = request_string(request->head, request->extra, request->desc[0]);
	c->method_len = request->desc[1];
	c->uri = request_string(request->head, request->extra, request->desc[2]);
	c->uri_len = request->desc[3];
	input_object *input = (input_object *)c->objects.input;
	if (r->flags & GOSRV_BLOCKS)
		input_lend_blocks(input, (const gosrv_block *)mem, r->body_len);
	else
		input_lend(input, mem, r->body_fd, r->body_len, r->stream);
	c->green = input->green = g;
	c->fd = r->conn_fd;
	socket_lend((socket_object *)c->objects.socket, c, r->conn_fd);
	*environ = call_environ(c, r->base, request);
	return c;
}

int gosrv_app_call(gosrv_thread *t, const gosrv_request *r, const char *head, const char *extra, const uint32_t *desc,
	const char *mem, char *out) {
	const packed request = {head, extra, desc, r->headers, r->flags, r->head_len};
	gosrv_result *res = &t->result;
	int kept = t->holding;
	PyObject *environ = NULL;
	step_begin(t, NULL);
	int64_t held = kept ? 0 : monotonic_now();
	int state = GOSRV_FAILED;
	t->ends = 0;
	*res = (gosrv_result){.fd = -1, .total = -1, .held = held};
	gosrv_call *c = call_begin(t, r, &request, mem, NULL, &environ);
	if (c != NULL) {
		if (environ) {
			Py_ssize_t keys = py.PyDict_Size(environ);
			PyObject *args[2] = {environ, c->objects.start_response};
			c->result = take(py.PyObject_VectorcallDict(shim.application, args, 2, NULL));
			call_returned(t);
			if (c->result) route_take(t, environ, keys);
			if (noted_keys)
				c->environ = environ;
			else
				drop(environ);
		}
		c->request = NULL;
		if (c->result == NULL || call_classify(c) < 0)
			state = call_failed(c);
		else
			state = call_step(c, r->flags, out, r->cap, res);
	}
	res->ends = (uint64_t)t->ends;
	step_end(t, (r->flags & GOSRV_KEEP_GIL) != 0);
	return state;
}

void gosrv_gil_release(gosrv_thread *t) {
	if (!t->holding) return;
	steps++;
	t->holding = 0;
	gil_give(t);
}

int gosrv_call_next(gosrv_thread *t, void *handle, uint32_t flags, char *out, uint64_t cap) {
	gosrv_call *c = handle;
	step_begin(t, c);
	drop(c->piece);
	c->piece = NULL;
	int state = failure_raise(c) ? call_failed(c) : call_step(c, flags, out, cap, &t->result);
	step_end(t, 0);
	return state;
}

int gosrv_call_batch(gosrv_thread *t, void *handle, uint32_t flags, char *out, uint64_t cap, uint64_t end,
	int64_t left) {
	gosrv_call *c = handle;
	int patient = batch_begin(&t->batch, c->fd, out, cap, end);
	t->batch.left = left;
	if (patient) batch_offer(&t->batch); /* the GIL may be long in coming */
	step_begin(t, c);
	batch_reclaim(&t->batch); /* whoever offers must have it: the other side may be at it by now */
	drop(c->piece);
	c->piece = NULL;
	int state = call_outlive(c, batch_step(c, patient, flags, &t->result), &t->result);
	step_end(t, 0);
	return state;
}

gosrv_result *gosrv_thread_result(gosrv_thread *t) { return &t->result; }

void gosrv_call_finish(gosrv_thread *t, void *handle) {
	step_begin(t, handle);
	t->result.notes = NULL;
	call_close(handle);
	step_end(t, 0);
}

int gosrv_base_new(gosrv_thread *t, const char *kv, int n) {
	if (templates_used == MAX_LISTENERS) return -1;
	gil_take(t);
	PyObject *pairs = py.PyDict_New();
	for (; pairs && n > 0; n--) {
		const char *value = kv + strlen(kv) + 1;
		PyObject *text = py.PyUnicode_DecodeUTF8(value, strlen(value), "surrogateescape");
		if (text == NULL || py.PyDict_SetItemString(pairs, kv, text) < 0) break;
		py.Py_DecRef(text);
		kv = value + strlen(value) + 1;
	}
	int index = -1;
	PyObject *base = pairs && n == 0 ? py.PyObject_VectorcallDict(shim.base_environ, &pairs, 1, NULL) : NULL;
	if (base != NULL) {
		templates[templates_used] = base;
		index = templates_used++;
	} else {
		call_report(NULL);
	}
	if (pairs) py.Py_DecRef(pairs);
	gil_give(t);
	return index;
}
