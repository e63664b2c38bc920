/* outbox.c: finished answers that wait for those of the same batch of events, so that the
 * application is called for one request after the other and the answers leave together.
 * Each is a batch of the transmitter's (transmit.c): a call that takes long holds none back. */
#include "gosrv.h"
#include "transmit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct gosrv_outbox {
	int count;
	uint64_t used;
	batch kept[GOSRV_OUTBOX];
	gosrv_unsent rest[GOSRV_OUTBOX];
	char room[128 << 10]; /* of all answers together */
};

gosrv_outbox *gosrv_outbox_new(void) { return calloc(1, sizeof(gosrv_outbox)); }

int gosrv_outbox_put(gosrv_outbox *o, int fd, const char *bytes, uint64_t len) {
	if (o->count == GOSRV_OUTBOX || len > sizeof o->room - o->used) return 0;
	batch *b = &o->kept[o->count];
	memcpy(o->room + o->used, bytes, len);
	if (!batch_begin(b, fd, o->room + o->used, len, len)) return 0;
	if (o->count == 0) batch_first(b);
	else b->since = o->kept[0].since; /* they leave together */
	batch_offer(b);
	o->used += len;
	o->count++;
	return 1;
}

/* deliver: what the transmitter has not sent of one answer. */
static void deliver(batch *b, gosrv_unsent *rest) {
	batch_reclaim(b);
	ssize_t n = 0;
	if (b->sent < b->end) n = send(b->fd, b->bytes + b->sent, b->end - b->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) b->sent += (uint64_t)n;
	rest->error = n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS ? errno : 0;
	rest->bytes = b->bytes + b->sent;
	rest->len = b->end - b->sent;
}

const gosrv_unsent *gosrv_outbox_send(gosrv_outbox *o) {
	for (int i = 0; i < o->count; i++) deliver(&o->kept[i], &o->rest[i]);
	o->count = 0;
	o->used = 0;
	return o->rest;
}
