/* green_call.c: one request in its greenlet, from the application's call to the end that Go is told of. The steps of the
 * answer are those of a thread (request_answer.c); here each is followed by a leaf call, and a wait if the socket is full. */
#include "green.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Filled behind the last Python of a step, and read by the leaf call that follows: one for all. */
static char out[64 << 10];
static green **table; /* by place */
static uint32_t table_size;
static green *unused;

green *green_find(leaf_ref ref) {
	green *g = ref.place < table_size ? table[ref.place] : NULL;
	return g != NULL && g->ref.number == ref.number ? g : NULL;
}

/* green_new: NULL: no memory. */
static green *green_new(leaf_ref ref) {
	if (ref.place >= table_size) {
		uint32_t size = 2 * ref.place + 64;
		green **grown = realloc(table, size * sizeof *grown);
		if (grown == NULL) return NULL;
		memset(grown + table_size, 0, (size - table_size) * sizeof *grown);
		table = grown;
		table_size = size;
	}
	green *g = unused;
	if (g != NULL)
		unused = g->next;
	else
		g = malloc(sizeof *g);
	if (g == NULL) return NULL;
	memset(g, 0, sizeof *g);
	g->ref = ref;
	table[ref.place] = g;
	return g;
}

/* release: a greenlet that waits for a request that is over goes on, with the loop's next pass. */
static void release(PyObject *sleeper) {
	PyObject *go = sleeper ? py.PyObject_GetAttrString(sleeper, "switch") : NULL;
	if (go == NULL) return;
	PyObject *none = py.PyObject_VectorcallDict(hub.later, &go, 1, NULL);
	if (none == NULL) call_report(NULL);
	if (none != NULL) py.Py_DecRef(none);
	py.Py_DecRef(go);
}

/* green_end: Go has the last word of the request: its connection goes on, or ends. head: what is left for the log. */
static void green_end(green *g, int state, char *head, uint32_t head_len) {
	gosrv_result res = {.fd = main_thread.result.fd, .head_len = head_len, .notes = g->notes, .notes_len = g->notes_len,
		.ends = (uint64_t)g->ends, .route = g->route, .route_len = g->route_len, .held = g->began};
	main_thread.result.fd = -1;
	leaf_ref ref = g->ref;
	if (table[ref.place] == g) table[ref.place] = NULL;
	if (!is_child) LEAF(gosrvLeafEnd(ref.place, ref.number, state, &res, head));
	free(g->head);
	free(g->notes);
	free(g->route);
	release(g->waiting); /* other greenlets of the application's that still wait here */
	release(g->reading);
	g->waiting = g->reading = NULL;
	g->next = unused;
	unused = g;
}

/* give: one piece to Go, and the wait until it is on its way. LEAF_*, or -1 with an exception that was thrown in. */
static int give(green *g, int state, gosrv_result *res, char *from) {
	int outcome;
	if (is_child) return LEAF_GONE;
	res->ends = (uint64_t)g->ends;
	LEAF(outcome = gosrvLeafAnswer(g->ref.place, g->ref.number, state, res, from));
	if (outcome != LEAF_WAIT) return outcome;
	if (green_park(&g->waiting) == 0) return is_child ? LEAF_GONE : LEAF_SENT; /* a client that has gone shows at the next piece */
	gosrv_result none = {.fd = -1};
	if (!is_child) LEAF(gosrvLeafAnswer(g->ref.place, g->ref.number, GOSRV_FAILED, &none, from)); /* before the bytes may go */
	return -1;
}

/* step: the next piece, in *from; a head for which out is too small, in *large, which is malloc'ed. */
static int step(gosrv_call *c, gosrv_result *res, char **from, char **large) {
	int state = call_step(c, 0, *from = out, sizeof out, res);
	if (state != GOSRV_GROW) return state;
	uint64_t need = res->need;
	*from = *large = malloc(need);
	return *large ? call_step(c, 0, *large, need, res) : call_wrong(c, "no memory for the response head");
}

/* walk: the application's answer, piece by piece; the call is closed in the end. The state in which. */
static int walk(gosrv_call *c, green *g) {
	for (;;) {
		gosrv_result res;
		char *from, *large = NULL;
		int state = step(c, &res, &from, &large), closed = state == GOSRV_DONE || state >= GOSRV_FAILED;
		int outcome = closed ? LEAF_ENOUGH : give(g, state, &res, from);
		free(large);
		if (closed) return state;
		if (outcome < 0) return call_failed(c);
		drop(c->piece);
		c->piece = NULL;
		if (state == GOSRV_MORE && outcome == LEAF_SENT) continue;
		call_close(c);
		return GOSRV_LAST;
	}
}

/* keep_route: a copy of what the application has put into environ, which has had so many keys before. */
static void keep_route(green *g, PyObject *environ, Py_ssize_t keys) {
	gosrv_result *r = &main_thread.result;
	r->route = NULL;
	route_take(&main_thread, environ, keys);
	if (r->route == NULL || (g->route = malloc(r->route_len + 1)) == NULL) return;
	memcpy(g->route, r->route, r->route_len);
	g->route_len = r->route_len;
	r->route = NULL;
}

/* green_run(place): the body of a request's greenlet. Its C frames are copied at each switch, so they are few. */
PyObject *green_run(PyObject *module, PyObject *place) {
	(void)module;
	green *g = table[py.PyLong_AsLongLong(place)];
	gosrv_call *c = g->call;
	PyObject *me = g->greenlet = py.PyObject_VectorcallDict(hub.getcurrent, NULL, 0, NULL);
	PyObject *args[2] = {g->environ, c->objects.start_response};
	Py_ssize_t keys = py.PyDict_Size(args[0]);
	g->environ = NULL;
	g->began = monotonic_now();
	steps++;
	c->result = take(py.PyObject_VectorcallDict(shim.application, args, 2, NULL));
	leave_if_child();
	if (c->result != NULL) keep_route(g, args[0], keys);
	if (noted_keys)
		c->environ = args[0];
	else
		drop(args[0]);
	int state = c->result == NULL || call_classify(c) < 0 ? call_failed(c) : walk(c, g);
	/* closed, it keeps its head until another call begins, which no Python is there for now */
	green_end(g, state, c->head, c->started ? c->head_len : 0);
	if (me != NULL) py.Py_DecRef(me);
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

/* keep_request: a copy of what Go has told of the request, for hooks that look at it later. */
static void keep_request(green *g, const packed *p) {
	if (!shim.hooked || (g->head = malloc(p->head_len)) == NULL) return;
	memcpy(g->head, p->head, p->head_len);
	g->request = (packed){.head = g->head, .head_len = p->head_len};
	g->call->request = &g->request;
}

/* take_body: a small body, which Go has in its buffer, becomes the input's own. 0: no memory. */
static int take_body(green *g, input_object *in, int64_t len) {
	char *own = malloc(len);
	int64_t got = -1;
	if (own != NULL) LEAF(got = gosrvLeafBody(g->ref.place, g->ref.number, 0, own, (uint64_t)len));
	if (got != len) {
		free(own);
		return 0;
	}
	in->mem = in->own = own;
	return 1;
}

/* refuse: a request for which there is no memory, or no environ; the exception, if one is set, is logged. */
static void refuse(green *g, gosrv_call *c) {
	if (py.PyErr_Occurred()) call_report(c);
	if (c != NULL) call_close(c);
	drop(g->environ);
	green_end(g, GOSRV_FAILED, NULL, 0);
}

/* own_words: what the log says of the request outlives the turn. 0: no memory. */
static int own_words(gosrv_call *c) {
	c->where = malloc(c->method_len + c->uri_len + 1);
	if (c->where == NULL) return 0;
	memcpy(c->where, c->method, c->method_len);
	memcpy(c->where + c->method_len, c->uri, c->uri_len);
	c->method = c->where;
	c->uri = c->where + c->method_len;
	return 1;
}

void green_begin(const leaf_ready *q, const leaf_turn *turn) {
	const gosrv_request *r = &q->request;
	const packed request = {turn->text + q->head, turn->text + q->extra, turn->words + q->desc, r->headers, r->flags, r->head_len};
	green *g = green_new(q->ref);
	if (g == NULL) {
		gosrv_result res = {.fd = -1};
		LEAF(gosrvLeafEnd(q->ref.place, q->ref.number, GOSRV_FAILED, &res, NULL));
		return;
	}
	int small = r->body_len > 0 && r->stream == 0 && r->body_fd < 0;
	gosrv_call *c = call_begin(&main_thread, r, &request, "", g, &g->environ);
	g->call = c;
	if (c == NULL || g->environ == NULL || !own_words(c)
		|| (small && !take_body(g, (input_object *)c->objects.input, r->body_len))) {
		refuse(g, c);
		return;
	}
	c->request = NULL;
	keep_request(g, &request);
	PyObject *place = py.PyLong_FromLong((long)q->ref.place);
	PyObject *none = place ? py.PyObject_VectorcallDict(hub.spawn, &place, 1, NULL) : NULL;
	if (place) py.Py_DecRef(place);
	if (none != NULL) {
		py.Py_DecRef(none);
		return;
	}
	g = green_find(q->ref);
	if (g != NULL && g->environ != NULL)
		refuse(g, c); /* it did not begin */
	else
		call_report(NULL);
}

int green_write(gosrv_call *c, PyObject *data, char *p, Py_ssize_t n) {
	if (!green_may_enter()) return -1;
	gosrv_result res = {.fd = -1, .total = -1, .ref = p, .ref_len = (uint64_t)n};
	if (!c->head_sent) res.head_len = res.body_off = c->head_len;
	c->head_sent = 1;
	py.Py_IncRef(data); /* Go sends the rest of it from where it lies */
	int outcome = give(c->green, GOSRV_MORE, &res, c->head);
	py.Py_DecRef(data);
	if (outcome == LEAF_GONE) py.PyErr_SetString(py.PyExc_OSError, "the client has gone or does not read");
	return outcome < 0 || outcome == LEAF_GONE ? -1 : 0;
}

int green_hints(gosrv_call *c, char *head, uint32_t head_len) {
	int valid;
	if (!green_may_enter()) return -1;
	LEAF(valid = gosrvLeafHints(c->green->ref.place, c->green->ref.number, head, head_len));
	return valid;
}

int64_t green_socket(gosrv_call *c, int use, char *buf, uint64_t room) {
	int64_t n;
	if (!green_may_enter()) {
		py.PyErr_Clear();
		return -EPERM;
	}
	LEAF(n = gosrvLeafSocket(c->green->ref.place, c->green->ref.number, use, buf, room));
	return n;
}

int64_t green_read(green *g, uint64_t stream, char *to, uint64_t room) {
	for (;;) {
		int64_t n;
		leaf_ref ref = g->ref;
		LEAF(n = gosrvLeafBody(ref.place, ref.number, stream, to, room));
		if (n != -EAGAIN) return n;
		if (green_park(&g->reading) < 0) return -EINTR;
		if (is_child || green_find(ref) != g) return -ECANCELED;
	}
}

int green_ended_by(const gosrv_call *c) {
	return c->green != NULL && (c->green->thrown || py.PyErr_ExceptionMatches(hub.exit_class));
}

void green_keep_notes(gosrv_call *c) {
	gosrv_result *r = &main_thread.result;
	green *g = c->green;
	if (g == NULL || r->notes == NULL || (g->notes = malloc(r->notes_len + 1)) == NULL) return;
	memcpy(g->notes, r->notes, r->notes_len);
	g->notes_len = r->notes_len;
	r->notes = NULL;
}

void green_ends(gosrv_call *c) { c->green->ends = 1; }
