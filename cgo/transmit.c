/* transmit.c: the transmitter. A server may go on with the application while a block has not
 * left if "a different thread" sees to its transmission (PEP 3333, "Buffering and
 * Streaming"): this is the thread. It knows neither Python nor Go, so that whoever keeps
 * the GIL, or all processors of Go's scheduler, does not keep it from sending.
 *
 *        owner: offer            due: send what there is
 *   0 ------------------> OFFERED ----------------------> BUSY
 *   ^                      |   ^                            |
 *   +----------------------+   +----------------------------+
 *        owner: reclaim
 */
#define _GNU_SOURCE
#include "transmit.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	HOLD = 700000,      /* ns that a piece may wait; with a tick more than any in between */
	TICK = 1000000,     /* how often, in ns, it is looked for pieces that wait */
	QUIET = 3,          /* looks that find nothing new, after which it sleeps until it is called */
	LONGEST = 64000000, /* between two looks for room in a full socket, ns */
	STACK = 256 << 10,
};
static const int64_t NEVER = INT64_MAX;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int running;
static uint32_t parked; /* 1: asleep until it is called, or about to be */
static batch *batches;  /* every thread's, for life */

/* attempt: send what waits, if it is time. */
static void attempt(batch *b, int64_t now) {
	uint32_t offered = BATCH_OFFERED;
	if (!__atomic_compare_exchange_n(&b->state, &offered, BATCH_BUSY, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
	if (__atomic_load_n(&b->due, __ATOMIC_RELAXED) <= now) { /* else it was offered anew */
		ssize_t n = send(b->fd, b->bytes + b->sent, b->end - b->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		int64_t due = NEVER;
		if (n > 0) b->sent += (uint64_t)n;
		if (b->sent < b->end) {
			b->full = 1;
			if (n > 0 || errno == EAGAIN || errno == EINTR || errno == ENOBUFS) {
				b->rest = n > 0 || b->rest == 0 ? TICK : b->rest * 2 < LONGEST ? b->rest * 2 : LONGEST;
				due = now + b->rest;
			}
		}
		__atomic_store_n(&b->due, due, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&b->state, BATCH_OFFERED, __ATOMIC_RELEASE);
}

/* look: the earliest time at which something is to be sent. */
static int64_t look(uint32_t *offers) {
	int64_t next = NEVER;
	*offers = 0;
	for (batch *b = __atomic_load_n(&batches, __ATOMIC_ACQUIRE); b != NULL; b = b->next) {
		*offers += __atomic_load_n(&b->offers, __ATOMIC_RELAXED);
		if (__atomic_load_n(&b->state, __ATOMIC_SEQ_CST) != BATCH_OFFERED) continue;
		int64_t due = __atomic_load_n(&b->due, __ATOMIC_RELAXED);
		if (due < next) next = due;
	}
	return next;
}

static struct timespec at(int64_t ns) { return (struct timespec){ns / 1000000000, ns % 1000000000}; }

static void *transmit(void *unused) {
	(void)unused;
	uint32_t seen = 0, offers;
	int quiet = 0;
	prctl(PR_SET_NAME, "transmitter");
	for (;;) {
		int64_t now = clock_now(), next = look(&offers);
		if (next <= now) {
			for (batch *b = __atomic_load_n(&batches, __ATOMIC_ACQUIRE); b != NULL; b = b->next)
				if (__atomic_load_n(&b->due, __ATOMIC_RELAXED) <= now) attempt(b, now);
			continue;
		}
		quiet = offers == seen ? quiet + 1 : 0;
		seen = offers;
		if (quiet < QUIET) {
			struct timespec until = at(next < now + TICK ? next : now + TICK);
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
			continue;
		}
		/* an owner offers first and looks at `parked` then; here it is the other way round */
		__atomic_store_n(&parked, 1, __ATOMIC_SEQ_CST);
		next = look(&offers);
		struct timespec until = at(next);
		if (next > now && offers == seen)
			syscall(SYS_futex, &parked, FUTEX_WAIT_BITSET_PRIVATE, 1, next == NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
		if (__atomic_exchange_n(&parked, 0, __ATOMIC_SEQ_CST) == 0 || offers != seen) quiet = 0;
	}
	return NULL;
}

static void start(void) {
	pthread_t thread;
	pthread_attr_t detached;
	sigset_t all, before;
	if (pthread_attr_init(&detached) != 0) return;
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&detached, STACK);
	sigfillset(&all); /* the process's signals are Python's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	running = pthread_create(&thread, &detached, transmit, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&detached);
}

int batch_begin(batch *b, int fd, char *bytes, uint64_t cap, uint64_t end) {
	b->fd = fd;
	b->bytes = bytes;
	b->cap = cap;
	b->end = end;
	b->sent = 0;
	b->payload = b->rest = 0;
	b->full = 0;
	b->since = clock_now();
	pthread_once(&once, start);
	if (!running) return 0;
	if (!b->listed) {
		b->listed = 1;
		b->next = __atomic_load_n(&batches, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&batches, &b->next, b, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
	}
	return 1;
}

void batch_offer(batch *b) {
	if (b->sent == b->end) return;
	__atomic_store_n(&b->due, b->since + HOLD, __ATOMIC_RELAXED);
	__atomic_store_n(&b->offers, b->offers + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&b->state, BATCH_OFFERED, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) != 0 && __atomic_exchange_n(&parked, 0, __ATOMIC_SEQ_CST) != 0)
		syscall(SYS_futex, &parked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* nap: the other side has it for the time of one send. */
static void nap(void) {
	struct timespec moment = {0, 20000};
	nanosleep(&moment, NULL);
}

void batch_reclaim(batch *b) {
	for (;;) {
		uint32_t offered = BATCH_OFFERED;
		if (__atomic_compare_exchange_n(&b->state, &offered, 0, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) || offered == 0) return;
		nap();
	}
}

int batch_flush(batch *b) {
	for (;;) {
		uint32_t offered = BATCH_OFFERED;
		if (!__atomic_compare_exchange_n(&b->state, &offered, BATCH_BUSY, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			if (offered == 0) return 1;
			nap();
			continue;
		}
		ssize_t n = 0;
		if (b->sent < b->end) n = send(b->fd, b->bytes + b->sent, b->end - b->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		int wait = n < 0 && errno == EAGAIN;
		if (n > 0) b->sent += (uint64_t)n;
		int done = b->sent == b->end || (n < 0 && !wait);
		if (done) __atomic_store_n(&b->due, NEVER, __ATOMIC_RELAXED);
		__atomic_store_n(&b->state, BATCH_OFFERED, __ATOMIC_RELEASE);
		if (done || wait) return done;
	}
}
