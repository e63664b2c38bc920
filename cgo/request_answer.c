/* request_answer.c: what one crossing gives of an answer: pieces of a list, of an iterator, or a
 * file (PEP 3333). The life of the call around them is request_call.c's. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

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
	return py_type(c->result) == py.PyList_Type ? py.PyList_GetItem(c->result, i)
						 : py.PyTuple_GetItem(c->result, i);
}

static Py_ssize_t list_size(gosrv_call *c) {
	return py_type(c->result) == py.PyList_Type ? py.PyList_Size(c->result) : py.PyTuple_Size(c->result);
}

const char *const not_bytes = "the application's iterable gave something other than bytes (PEP 3333)";
static const char *const not_started = "the application did not call start_response before its first byte (PEP 3333)";

/* list_total: the length of a list of bytes; -1: an item is something else. */
static int64_t list_total(gosrv_call *c) {
	int64_t total = 0;
	for (Py_ssize_t i = 0, n = list_size(c); i < n; i++) {
		char *p;
		Py_ssize_t len;
		PyObject *item = list_item(c, i);
		if (!py_is_bytes(item)) return -1;
		if (py.PyBytes_AsStringAndSize(item, &p, &len) < 0) return -1;
		total += len;
	}
	return total;
}

/* conceded: the application has dealt with its client by itself: its head, if it gives one, is for
 * the access log. */
static int conceded(gosrv_call *c, char *out, uint64_t cap, gosrv_result *res) {
	if (c->started) put_head(c, out, cap, res);
	call_close(c);
	return GOSRV_DONE;
}

/* concedes: nothing of this answer is to be sent. */
static int concedes(const gosrv_call *c) { return socket_taken(c) || (!c->started && socket_used(c)); }

/* A list or tuple: as many items as fit are gathered behind the head. */
static int list_step(gosrv_call *c, char *out, uint64_t cap, gosrv_result *res) {
	if (concedes(c)) return conceded(c, out, cap, res);
	if (!c->started) return call_wrong(c, not_started);
	if (!c->head_sent) res->total = list_total(c);
	if (!c->head_sent && res->total < 0) return call_wrong(c, not_bytes);
	if (!put_head(c, out, cap, res)) return GOSRV_GROW;
	while (c->index < list_size(c) && res->ref == NULL) {
		PyObject *item = list_item(c, c->index);
		char *p;
		Py_ssize_t n;
		if (!py_is_bytes(item)) return call_wrong(c, not_bytes);
		py.PyBytes_AsStringAndSize(item, &p, &n);
		if (res->body_len > 0 && (uint64_t)n > cap - res->body_off - res->body_len) return GOSRV_MORE;
		if (put_piece(c, item, out, cap, res) < 0) return call_failed(c);
		c->index++;
	}
	if (c->index < list_size(c)) return GOSRV_MORE;
	if (res->ref != NULL || c->green) return GOSRV_LAST; /* closing may switch greenlets, and they share out */
	call_close(c);
	return GOSRV_DONE;
}

/* exhausted: the iterator has ended. With everything sent there is nothing to wait for. */
static int exhausted(gosrv_call *c, uint32_t flags, char *out, uint64_t cap, gosrv_result *res) {
	if (concedes(c)) return conceded(c, out, cap, res);
	if (!c->started) return call_wrong(c, not_started);
	if (!c->head_sent) res->total = 0;
	if (!put_head(c, out, cap, res)) return GOSRV_GROW;
	if (!(flags & GOSRV_SENT_ALL)) return GOSRV_LAST;
	call_close(c);
	return GOSRV_DONE;
}

/* Any other iterable, as long as no framing is known (request_batch.c): one piece. */
static int iterator_step(gosrv_call *c, uint32_t flags, char *out, uint64_t cap, gosrv_result *res) {
	for (;;) {
		PyObject *item = c->next_item; /* out was too small */
		c->next_item = NULL;
		if (item == NULL) item = take(py.PyIter_Next(c->iterator));
		call_returned(c->thread);
		if (item == NULL)
			return py.PyErr_Occurred() ? call_failed(c) : exhausted(c, flags, out, cap, res);
		if (socket_taken(c)) { /* the application goes on by being asked for more */
			drop(item);
			continue;
		}
		char *p;
		Py_ssize_t n;
		if (!py_is_bytes(item) || py.PyBytes_AsStringAndSize(item, &p, &n) < 0) {
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
			c->next_item = item;
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
	if (concedes(c)) return conceded(c, out, cap, res);
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

/* call_outlive: the call goes on after this crossing, so what Go lent is copied. */
int call_outlive(gosrv_call *c, int state, gosrv_result *res) {
	if (state == GOSRV_DONE || state >= GOSRV_FAILED) return state;
	res->handle = c;
	if (c->where != NULL) return state; /* of a greenlet from its begin */
	c->where = malloc(c->method_len + c->uri_len + 1);
	if (c->where == NULL || input_own((input_object *)c->objects.input) < 0)
		return call_wrong(c, "no memory to keep the request while its answer is sent");
	memcpy(c->where, c->method, c->method_len);
	memcpy(c->where + c->method_len, c->uri, c->uri_len);
	c->method = c->where;
	c->uri = c->where + c->method_len;
	return state;
}

int call_step(gosrv_call *c, uint32_t flags, char *out, uint64_t cap, gosrv_result *res) {
	*res = (gosrv_result){.fd = -1, .total = -1, .route = res->route, .route_len = res->route_len, .held = res->held};
	int state = c->kind == KIND_LIST ? list_step(c, out, cap, res)
		: c->kind == KIND_FILE   ? file_step(c, out, cap, res)
					 : iterator_step(c, flags, out, cap, res);
	res->iterates = c->kind == KIND_ITERATOR;
	return call_outlive(c, state, res);
}

/* call_classify: how the application's result is to be walked. -1 with an exception. */
int call_classify(gosrv_call *c) {
	/* exactly these types: a subclass may iterate or close() in its own way */
	if (py_type(c->result) == py.PyList_Type || py_type(c->result) == py.PyTuple_Type) {
		c->kind = KIND_LIST;
		return 0;
	}
	if (py_type(c->result) == shim.file_wrapper) {
		c->kind = KIND_FILE;
		return 0;
	}
	c->kind = KIND_ITERATOR;
	c->iterator = take(py.PyObject_GetIter(c->result));
	return c->iterator ? 0 : -1;
}
