/* transmit.h: batches of an answer's pieces, and the thread that sends those that wait. */
#ifndef GOSRV_TRANSMIT_H
#define GOSRV_TRANSMIT_H

#include <stdint.h>
#include <time.h>

/* A batch: pieces of one answer, framed, that are to leave together. Its owner, the thread of
 * the call, offers it before the application makes the next piece and takes it back
 * afterwards; what is offered for too long is sent by the transmitter. Whoever has it by
 * `state` has all fields; `due` and `offers` are atomic. */
typedef struct batch {
	uint32_t state; /* 0: the owner's, or BATCH_* */
	int fd;
	char *bytes; /* Go's, lent for a crossing */
	uint64_t cap, sent, end;
	int64_t since, payload, left; /* since: when the first byte that waits came; payload, left: request_batch.c's */
	int64_t due, rest;            /* when the transmitter sends; how long it waited for room */
	int full;                     /* it has met a socket without room, or a broken one */
	int listed;
	struct batch *next;
} batch;

enum { BATCH_OFFERED = 1, BATCH_BUSY };

/* batch_begin: a new batch over bytes, the first `end` of which are waiting. 0: there is no
 * transmitter, so nothing may wait. */
int batch_begin(batch *b, int fd, char *bytes, uint64_t cap, uint64_t end);

/* batch_first: before batch_offer of a batch while no other is offered: the transmitter need not
 * wake for those that were. */
void batch_first(batch *b);

/* batch_offer: until batch_reclaim what waits leaves within 1 ms, whatever the caller does. */
void batch_offer(batch *b);

/* batch_reclaim: the batch is the owner's again; does nothing if it is. */
void batch_reclaim(batch *b);

/* transmit_forget: in a forked child of the application, which has no transmitter. */
void transmit_forget(void);

/* batch_flush: by any thread: send what is offered as far as there is room. 0: something is left. */
int batch_flush(batch *b);

static inline int64_t clock_now(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

#endif
