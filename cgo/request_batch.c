/* request_batch.c: pieces of an iterator that follow one another quickly leave in one write. Go has
 * decided the framing; here it is put around each piece. While the application makes the
 * next one, those that wait are offered to the transmitter (transmit.c). */
#include "request.h"

#include <string.h>

enum {
	BRISK = 50000,     /* ns: a piece that took longer, or has waited for longer, leaves at once */
	LARGE = 16 << 10,  /* bytes: a larger piece is sent from where it lies */
	FRAMING = 16 + 4,  /* of a chunk, at most: digits and two line ends */
};

char *chunk_line(char *at, uint64_t n) {
	int digits = 1;
	while (digits < 16 && n >> 4 * digits != 0) digits++;
	for (int i = digits; i-- > 0; n >>= 4) at[i] = "0123456789abcdef"[n & 15];
	at[digits] = '\r';
	at[digits + 1] = '\n';
	return at + digits + 2;
}

static void put_framed(batch *b, const char *piece, uint64_t n, int chunked) {
	char *at = b->bytes + b->end;
	if (chunked) at = chunk_line(at, n);
	memcpy(at, piece, n);
	at += n;
	if (chunked) {
		*at++ = '\r';
		*at++ = '\n';
	}
	b->end = (uint64_t)(at - b->bytes);
}

/* failure_keep: what next() has raised is told once what came before it is sent. */
static void failure_keep(gosrv_call *c) {
	py.PyErr_Fetch(&c->failure[0], &c->failure[1], &c->failure[2]);
	for (int i = 0; i < 3; i++) take(c->failure[i]);
}

int failure_raise(gosrv_call *c) {
	if (c->failure[0] == NULL) return 0;
	for (int i = 0; i < 3; i++) refs_dropped += c->failure[i] != NULL; /* PyErr_Restore takes them */
	py.PyErr_Restore(c->failure[0], c->failure[1], c->failure[2]);
	c->failure[0] = NULL;
	return 1;
}

/* next_item: what the iterator gives next, with all that waits offered meanwhile. */
static PyObject *next_item(gosrv_call *c, batch *b) {
	PyObject *item = c->next_item;
	c->next_item = NULL;
	if (item == NULL) {
		batch_offer(b);
		item = take(py.PyIter_Next(c->iterator));
		call_returned(c->thread);
	}
	batch_reclaim(b);
	return item;
}

/* ended: the iterator has raised or is exhausted. */
static int ended(gosrv_call *c, const batch *b) {
	if (!py.PyErr_Occurred()) return GOSRV_LAST;
	if (b->sent < b->end && !(quitting && py.PyErr_ExceptionMatches(py.PyExc_SystemExit))) {
		failure_keep(c);
		return GOSRV_MORE;
	}
	return call_failed(c);
}

/* batch_item: one piece, behind the others if it is small. 1: the next may be asked for as
 * far as this piece is concerned. */
static int batch_item(gosrv_call *c, batch *b, PyObject *item, int chunked, gosrv_result *res, int *state) {
	char *p;
	Py_ssize_t n;
	*state = GOSRV_MORE;
	if (!py_is_bytes(item) || py.PyBytes_AsStringAndSize(item, &p, &n) < 0) {
		if (b->sent < b->end) {
			c->next_item = item;
			return 0;
		}
		drop(item);
		*state = call_wrong(c, not_bytes);
		return 0;
	}
	if ((uint64_t)n > LARGE || (uint64_t)n + FRAMING > b->cap - b->end) {
		res->ref = p;
		res->ref_len = (uint64_t)n;
		c->piece = item;
		return 0;
	}
	int64_t fits = b->left >= 0 && n > b->left ? b->left : n;
	b->payload += n;
	if (fits > 0) put_framed(b, p, (uint64_t)fits, chunked);
	drop(item);
	if (b->left < 0) return 1;
	b->left -= fits;
	return b->left > 0;
}

/* batch_fill: pieces until one is slow, large or the last, or until those that wait are too many
 * or too old. An empty one only passes control. */
static int batch_fill(gosrv_call *c, batch *b, int patient, int chunked, gosrv_result *res) {
	const socket_object *socket = (socket_object *)c->objects.socket;
	int state;
	if (failure_raise(c)) return call_failed(c);
	if (socket->real != NULL) patient = 0; /* the application may write to it */
	if (b->end > 0 && !patient) return GOSRV_MORE;
	for (int64_t asked = b->since;;) {
		uint64_t before = b->end;
		PyObject *item = next_item(c, b);
		if (item == NULL) return ended(c, b);
		int64_t now = clock_now();
		if (b->sent == b->end) b->since = now;
		if (!batch_item(c, b, item, chunked, res, &state)) return state;
		int waits = b->end > b->sent;
		if (waits && (b->full || now - b->since > BRISK || !patient || socket->real != NULL)) return GOSRV_MORE;
		if (b->end > before && now - asked > BRISK) return GOSRV_MORE;
		asked = now;
	}
}

int batch_step(gosrv_call *c, int patient, uint32_t flags, gosrv_result *res) {
	batch *b = &c->thread->batch;
	*res = (gosrv_result){.fd = -1, .total = -1};
	int state = batch_fill(c, b, patient, (flags & GOSRV_CHUNKED) != 0, res);
	batch_reclaim(b);
	res->body_len = (uint32_t)b->end;
	res->sent = (uint32_t)b->sent;
	res->payload = (uint64_t)b->payload;
	res->iterates = 1;
	b->end = b->sent = 0;
	return state;
}
