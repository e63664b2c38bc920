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
 *
 * It sleeps until a timer rings. A wake-up a millisecond costs an application on the same
 * processor one twentieth of its time, in switches and cold caches; so owners set the timer
 * when nothing else has, and whoever offers the first of its batches puts it off. */
#define _GNU_SOURCE
#include "transmit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	HOLD = 700000,      /* ns that a piece waits at least, unless its owner takes it back */
	SLACK = 300000,     /* ns by which it may wait longer, so that a timer that is set already will do */
	ROOM = 1000000,     /* ns after which a full socket is tried again, at first */
	LONGEST = 64000000, /* and at last */
	STACK = 256 << 10,
};
static const int64_t NEVER = INT64_MAX;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int running, timer = -1;
static int64_t rings = INT64_MAX; /* when the timer does; NEVER: it is not set */
static batch *batches;            /* every thread's, for life */

static struct timespec at(int64_t ns) { return (struct timespec){ns / 1000000000, ns % 1000000000}; }

/* set_timer: the transmitter wakes then, and not at the time that was set before. */
static void set_timer(int64_t when) {
	struct itimerspec alarm = {.it_value = at(when)};
	__atomic_store_n(&rings, when, __ATOMIC_SEQ_CST);
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &alarm, NULL);
}

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
				b->rest = n > 0 || b->rest == 0 ? ROOM : b->rest * 2 < LONGEST ? b->rest * 2 : LONGEST;
				due = now + b->rest;
			}
		}
		__atomic_store_n(&b->due, due, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&b->state, BATCH_OFFERED, __ATOMIC_RELEASE);
}

/* look: the earliest time at which something is to be sent. */
static int64_t look(void) {
	int64_t next = NEVER;
	for (batch *b = __atomic_load_n(&batches, __ATOMIC_ACQUIRE); b != NULL; b = b->next) {
		if (__atomic_load_n(&b->state, __ATOMIC_SEQ_CST) != BATCH_OFFERED) continue;
		int64_t due = __atomic_load_n(&b->due, __ATOMIC_RELAXED);
		if (due < next) next = due;
	}
	return next;
}

static void *transmit(void *unused) {
	(void)unused;
	prctl(PR_SET_NAME, "transmitter");
	for (;;) {
		int64_t now = clock_now(), next = look();
		if (next <= now) {
			for (batch *b = __atomic_load_n(&batches, __ATOMIC_ACQUIRE); b != NULL; b = b->next)
				if (__atomic_load_n(&b->due, __ATOMIC_RELAXED) <= now) attempt(b, now);
			continue;
		}
		if (next < __atomic_load_n(&rings, __ATOMIC_SEQ_CST)) set_timer(next);
		uint64_t rung;
		if (read(timer, &rung, sizeof rung) < 0 && errno != EINTR) break; /* the application has closed it */
		__atomic_store_n(&rings, NEVER, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&running, 0, __ATOMIC_RELAXED);
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
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	running = timer >= 0 && pthread_create(&thread, &detached, transmit, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&detached);
}

void transmit_forget(void) {
	if (timer >= 0) close(timer);
	timer = -1;
	running = 0;
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
	if (!__atomic_load_n(&running, __ATOMIC_RELAXED)) return 0;
	if (!b->listed) {
		b->listed = 1;
		b->next = __atomic_load_n(&batches, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&batches, &b->next, b, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
	}
	return 1;
}

void batch_offer(batch *b) {
	if (b->sent == b->end) return;
	int64_t due = b->since + HOLD;
	__atomic_store_n(&b->due, due, __ATOMIC_RELAXED);
	__atomic_store_n(&b->state, BATCH_OFFERED, __ATOMIC_SEQ_CST);
	int64_t set = __atomic_load_n(&rings, __ATOMIC_SEQ_CST); /* after `state`, as the transmitter looks after it has changed this */
	if (set > due + SLACK) set_timer(due + SLACK); /* one that rings sooner has it looked for and set anew */
}

void batch_first(batch *b) {
	if (__atomic_load_n(&rings, __ATOMIC_RELAXED) < b->since + HOLD) set_timer(b->since + HOLD + SLACK);
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
