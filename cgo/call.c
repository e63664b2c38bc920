/* call.c: one run of application(environ, start_response), piece by piece (PEP 3333).
 *
 *   Call --> DONE            list of bytes that fits: one crossing
 *        --> MORE --> next --> MORE ... --> LAST --> finish
 *        --> FILE --> finish
 * close() runs exactly once, in call_close, on every path. */
#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KIND_LIST, KIND_ITERATOR, KIND_FILE };

/* leave_if_child: the application forked and its child came back into the server: it must
 * not answer the request a second time. It ends as a Python script would. */
void leave_if_child(void) {
	if (!is_child) return;
	if (py.PyErr_Occurred()) py.PyErr_Print(); /* exits for SystemExit */
	PyObject *none = py.PyObject_VectorcallDict(shim.leave_child, NULL, 0, NULL);
	if (none == NULL) py.PyErr_Clear();
	_exit(0);
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
	call_shim(shim.handle_error, args, 3);
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
		refs_kept -= BUNDLE_REFS;
		t->objects.request = NULL;
	} else if (bundle_new(&c->objects) < 0) {
		py.PyErr_Clear();
		c->next = t->unused;
		t->unused = c;
		return NULL;
	}
	c->objects.request->call = c;
	return c;
}

/* thread_rebind: give the thread a bundle and put its objects into the bases' copies. */
static void thread_rebind(gosrv_thread *t) {
	if (bundle_new(&t->objects) < 0) {
		py.PyErr_Clear();
		t->objects.request = NULL;
		return;
	}
	refs_kept += BUNDLE_REFS;
	t->epoch++; /* memos are bound again when they are used */
	t->holders = 0;
	for (; t->holders < MAX_LISTENERS && t->bases[t->holders] != NULL; t->holders++)
		if (environ_bind(t->bases[t->holders], &t->objects) < 0) py.PyErr_Clear();
}

/* objects_return: the bundle goes back to the thread when the application kept nothing of
 * it; otherwise what it kept is cut off from the server. */
static void objects_return(gosrv_call *c) {
	gosrv_thread *t = c->thread;
	bundle *b = &c->objects;
	b->request->call = NULL;
	input_detach((input_object *)b->input);
	if (c->borrowed && bundle_is_idle(b, t->holders) && ((socket_object *)b->socket)->real == NULL) {
		((socket_object *)b->socket)->fd = -1;
		t->objects = *b;
		refs_kept += BUNDLE_REFS;
		return;
	}
	bundle_drop(b);
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

/* call_close: the end of every call: close() once, all references dropped. */
static void call_close(gosrv_call *c) {
	gosrv_thread *t = c->thread;
	drop(c->piece);
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
static int call_failed(gosrv_call *c) {
	int quit = 0;
	leave_if_child();
	if (py.PyErr_Occurred()) {
		quit = quitting && py.PyErr_ExceptionMatches(py.PyExc_SystemExit);
		if (quit || stream_to_blame((input_object *)c->objects.input))
			py.PyErr_Clear();
		else
			call_report(c);
	}
	call_close(c);
	return quit ? GOSRV_QUIT : GOSRV_FAILED;
}

static int call_wrong(gosrv_call *c, const char *what) {
	call_fault(c, what);
	return call_failed(c);
}

/* put_head: the packed head, once, before the first byte of the body. 0: it does not fit. */
static int put_head(gosrv_call *c, char *out, uint64_t cap, gosrv_result *res) {
	if (c->head_sent) return 1;
	if (c->head_len > cap) {
		res->need = (uint64_t)c->head_len + 4096;
		return 0;
	}
	memcpy(out, c->head, c->head_len);
	res->head_len = res->body_off = c->head_len;
	c->head_sent = 1;
	return 1;
}

/* put_piece: small pieces are copied behind the head, large ones stay in Python's memory. */
static int put_piece(gosrv_call *c, PyObject *piece, char *out, uint64_t cap, gosrv_result *res) {
	char *p;
	Py_ssize_t n;
	if (py.PyBytes_AsStringAndSize(piece, &p, &n) < 0) return -1;
	uint64_t used = res->body_off + res->body_len;
	if ((uint64_t)n <= cap - used) {
		memcpy(out + used, p, n);
		res->body_len += n;
		return 0;
	}
	res->ref = p;
	res->ref_len = n;
	py.Py_IncRef(piece);
	c->piece = take(piece);
	return 0;
}

static PyObject *list_item(gosrv_call *c, Py_ssize_t i) {
	return c->result->type == py.PyList_Type ? py.PyList_GetItem(c->result, i)
						 : py.PyTuple_GetItem(c->result, i);
}

static Py_ssize_t list_size(gosrv_call *c) {
	return c->result->type == py.PyList_Type ? py.PyList_Size(c->result) : py.PyTuple_Size(c->result);
}

static const char *const not_bytes = "the application's iterable gave something other than bytes (PEP 3333)";
static const char *const not_started = "the application did not call start_response before its first byte (PEP 3333)";

/* list_total: the length of a list of bytes; -1: an item is something else. */
static int64_t list_total(gosrv_call *c) {
	int64_t total = 0;
	for (Py_ssize_t i = 0, n = list_size(c); i < n; i++) {
		char *p;
		Py_ssize_t len;
		PyObject *item = list_item(c, i);
		if (!py_has_flag(item, FLAG_BYTES)) return -1;
		if (py.PyBytes_AsStringAndSize(item, &p, &len) < 0) return -1;
		total += len;
	}
	return total;
}

/* A list or tuple: as many items as fit are gathered behind the head. */
static int list_step(gosrv_call *c, char *out, uint64_t cap, gosrv_result *res) {
	if (!c->started) return call_wrong(c, not_started);
	if (!c->head_sent) res->total = list_total(c);
	if (!c->head_sent && res->total < 0) return call_wrong(c, not_bytes);
	if (!put_head(c, out, cap, res)) return GOSRV_GROW;
	while (c->index < list_size(c) && res->ref == NULL) {
		PyObject *item = list_item(c, c->index);
		char *p;
		Py_ssize_t n;
		if (!py_has_flag(item, FLAG_BYTES)) return call_wrong(c, not_bytes);
		py.PyBytes_AsStringAndSize(item, &p, &n);
		if (res->body_len > 0 && (uint64_t)n > cap - res->body_off - res->body_len) return GOSRV_MORE;
		if (put_piece(c, item, out, cap, res) < 0) return call_failed(c);
		c->index++;
	}
	if (c->index < list_size(c)) return GOSRV_MORE;
	if (res->ref != NULL) return GOSRV_LAST;
	call_close(c);
	return GOSRV_DONE;
}

/* exhausted: the iterator has ended. With everything sent there is nothing to wait for. */
static int exhausted(gosrv_call *c, uint32_t flags, char *out, uint64_t cap, gosrv_result *res) {
	if (!c->started) return call_wrong(c, not_started);
	if (!c->head_sent) res->total = 0;
	if (!put_head(c, out, cap, res)) return GOSRV_GROW;
	if (!(flags & GOSRV_SENT_ALL)) return GOSRV_LAST;
	call_close(c);
	return GOSRV_DONE;
}

/* Any other iterable: one piece a step, since PEP 3333 forbids to hold a block back. */
static int iterator_step(gosrv_call *c, uint32_t flags, char *out, uint64_t cap, gosrv_result *res) {
	for (;;) {
		PyObject *item = c->piece; /* kept when out was too small */
		c->piece = NULL;
		if (item == NULL) item = take(py.PyIter_Next(c->iterator));
		leave_if_child();
		if (item == NULL)
			return py.PyErr_Occurred() ? call_failed(c) : exhausted(c, flags, out, cap, res);
		char *p;
		Py_ssize_t n;
		if (!py_has_flag(item, FLAG_BYTES) || py.PyBytes_AsStringAndSize(item, &p, &n) < 0) {
			drop(item);
			return call_wrong(c, not_bytes);
		}
		if (n == 0) { /* an empty block only passes control */
			drop(item);
			continue;
		}
		if (!c->started) {
			drop(item);
			return call_wrong(c, not_started);
		}
		if (!put_head(c, out, cap, res)) {
			c->piece = item;
			return GOSRV_GROW;
		}
		int failed = put_piece(c, item, out, cap, res);
		drop(item);
		return failed < 0 ? call_failed(c) : GOSRV_MORE;
	}
}

/* file_step: the descriptor and range behind a file_wrapper. KIND becomes ITERATOR when
 * the file has no descriptor to send from. */
static int file_step(gosrv_call *c, char *out, uint64_t cap, gosrv_result *res) {
	if (!c->started) return call_wrong(c, not_started);
	PyObject *range = take(py.PyObject_VectorcallDict(shim.sendfile_range, &c->result, 1, NULL));
	if (range == NULL) return call_failed(c);
	if (range == py._Py_NoneStruct) {
		drop(range);
		c->kind = KIND_ITERATOR;
		c->iterator = take(py.PyObject_GetIter(c->result));
		return c->iterator ? iterator_step(c, 0, out, cap, res) : call_failed(c);
	}
	if (!put_head(c, out, cap, res)) {
		drop(range);
		return GOSRV_GROW;
	}
	res->fd = (int32_t)py.PyLong_AsLongLong(py.PyTuple_GetItem(range, 0));
	res->file_off = py.PyLong_AsLongLong(py.PyTuple_GetItem(range, 1));
	res->file_len = py.PyLong_AsLongLong(py.PyTuple_GetItem(range, 2));
	res->total = res->file_len;
	drop(range);
	return GOSRV_FILE;
}

/* outlive: the call goes on after this crossing, so what Go lent is copied. */
static int outlive(gosrv_call *c, int state, gosrv_result *res) {
	if (state == GOSRV_DONE || state >= GOSRV_FAILED) return state;
	res->handle = c;
	if (c->where != NULL) return state;
	c->where = malloc(c->method_len + c->uri_len + 1);
	if (c->where == NULL || input_own((input_object *)c->objects.input) < 0)
		return call_wrong(c, "no memory to keep the request while its answer is sent");
	memcpy(c->where, c->method, c->method_len);
	memcpy(c->where + c->method_len, c->uri, c->uri_len);
	c->method = c->where;
	c->uri = c->where + c->method_len;
	return state;
}

static int step(gosrv_call *c, uint32_t flags, char *out, uint64_t cap, gosrv_result *res) {
	*res = (gosrv_result){.fd = -1, .total = -1};
	int state = c->kind == KIND_LIST ? list_step(c, out, cap, res)
		: c->kind == KIND_FILE   ? file_step(c, out, cap, res)
					 : iterator_step(c, flags, out, cap, res);
	return outlive(c, state, res);
}

static int classify(gosrv_call *c) {
	/* exactly these types: a subclass may iterate or close() in its own way */
	if (c->result->type == py.PyList_Type || c->result->type == py.PyTuple_Type) {
		c->kind = KIND_LIST;
		return 0;
	}
	if (c->result->type == shim.file_wrapper) {
		c->kind = KIND_FILE;
		return 0;
	}
	c->kind = KIND_ITERATOR;
	c->iterator = take(py.PyObject_GetIter(c->result));
	return c->iterator ? 0 : -1;
}

static PyObject *templates[MAX_LISTENERS]; /* environ's constant part, one a listener; kept for life */
static int templates_used;

/* thread_prepare: this thread's copies of the listeners' bases, holding its own bundle. */
static void thread_prepare(gosrv_thread *t) {
	for (int i = 0; i < templates_used; i++) t->bases[i] = py.PyDict_Copy(templates[i]);
	thread_rebind(t);
}

/* call_environ: a call with the thread's bundle finds it in what it copies; one beside a
 * suspended call brings its own. */
static PyObject *call_environ(gosrv_call *c, int base, const packed *request) {
	gosrv_thread *t = c->thread;
	uint32_t number = request->flags >> GOSRV_MEMO_SHIFT;
	if (c->borrowed && number > 0 && number < GOSRV_MEMOS) {
		t->objects = c->objects; /* for environ_bind; lent again below */
		PyObject *environ = memo_environ(t, base, (int)number, request);
		t->objects.request = NULL;
		return environ;
	}
	PyObject *environ = environ_build(t->bases[base], request);
	if (environ && !c->borrowed && environ_bind(environ, &c->objects) < 0) {
		drop(environ);
		return NULL;
	}
	return environ;
}

int gosrv_app_call(gosrv_thread *t, int base, const char *head, const char *extra,
	const uint32_t *desc, int nhdr, uint32_t flags, const char *mem, int body_fd,
	int64_t body_len, uint64_t stream, int conn_fd, char *out, uint64_t cap) {
	const packed request = {head, extra, desc, nhdr, flags};
	gosrv_result *res = &t->result;
	py.PyEval_RestoreThread(t->state);
	t->calling = 1;
	int state = GOSRV_FAILED;
	if (t->bases[base] == NULL) thread_prepare(t);
	gosrv_call *c = call_new(t);
	*res = (gosrv_result){.fd = -1, .total = -1};
	if (c != NULL) {
		c->method = request_string(head, extra, desc[0]);
		c->method_len = desc[1];
		c->uri = request_string(head, extra, desc[2]);
		c->uri_len = desc[3];
		input_lend((input_object *)c->objects.input, mem, body_fd, body_len, stream);
		((socket_object *)c->objects.socket)->fd = conn_fd;
		PyObject *environ = call_environ(c, base, &request);
		if (environ) {
			PyObject *args[2] = {environ, c->objects.start_response};
			c->result = take(py.PyObject_VectorcallDict(shim.application, args, 2, NULL));
			leave_if_child();
			drop(environ);
		}
		if (c->result == NULL || classify(c) < 0)
			state = call_failed(c);
		else
			state = step(c, flags, out, cap, res);
	}
	t->calling = 0;
	t->state = py.PyEval_SaveThread();
	return state;
}

int gosrv_call_next(gosrv_thread *t, void *handle, uint32_t flags, char *out, uint64_t cap) {
	gosrv_call *c = handle;
	py.PyEval_RestoreThread(t->state);
	t->calling = 1;
	if (c->kind == KIND_LIST || c->head_sent) {
		drop(c->piece);
		c->piece = NULL;
	}
	int state = step(c, flags, out, cap, &t->result);
	t->calling = 0;
	t->state = py.PyEval_SaveThread();
	return state;
}

gosrv_result *gosrv_thread_result(gosrv_thread *t) { return &t->result; }

void gosrv_call_finish(gosrv_thread *t, void *handle) {
	py.PyEval_RestoreThread(t->state);
	t->calling = 1;
	call_close(handle);
	t->calling = 0;
	t->state = py.PyEval_SaveThread();
}

int gosrv_base_new(gosrv_thread *t, const char *kv, int n) {
	if (templates_used == MAX_LISTENERS) return -1;
	py.PyEval_RestoreThread(t->state);
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
	t->state = py.PyEval_SaveThread();
	return index;
}
