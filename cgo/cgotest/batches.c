/* batches.c: tests of transmit.h. Each returns "" or what is wrong. */
#define _GNU_SOURCE
#include "cgotest.h"
#include "transmit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 8 << 20, NUMBERS = 200000, PATIENCE = 60 };

static int pair(int ends[2]) {
	struct timeval patience = {PATIENCE, 0};
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0
		&& setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0;
}

static int read_whole(int fd, char *buf, size_t n) {
	while (n > 0) {
		ssize_t got = read(fd, buf, n);
		if (got <= 0) return 0;
		buf += got;
		n -= (size_t)got;
	}
	return 1;
}

/* fill_up: wait until the transmitter has found the socket full; nobody reads meanwhile, since a
 * reader may keep up with it. */
static void fill_up(batch *b) {
	for (int64_t end = clock_now() + PATIENCE * INT64_C(1000000000); !b->full && clock_now() < end;) {
		batch_offer(b);
		usleep(1000);
		batch_reclaim(b);
	}
}

/* What is offered arrives although its owner does nothing: a little, and more than a socket holds. */
const char *test_batch_leaves(void) {
	static batch b;
	int ends[2];
	char *sent = malloc(LARGE), *got = malloc(LARGE);
	if (!pair(ends) || !sent || !got) return "no socket";
	for (int i = 0; i < LARGE; i++) sent[i] = (char)(i * 7 + (i >> 12));
	const size_t sizes[] = {1, 5, 1000, LARGE, 3};
	for (int round = 0; round < 25; round++) {
		size_t n = sizes[round % 5];
		if (round % 7 == 6) usleep(8000); /* long enough for it to fall asleep, if it gets the processor */
		if (!batch_begin(&b, ends[0], sent, LARGE, n)) return "no transmitter";
		if (n == LARGE) fill_up(&b);
		batch_offer(&b);
		if (!read_whole(ends[1], got, n)) return "nothing comes";
		batch_reclaim(&b);
		if (b.sent != n || memcmp(sent, got, n) != 0) return "something else comes";
		if (b.full != (n == LARGE)) return "the full socket was not noticed";
	}
	close(ends[0]);
	close(ends[1]);
	free(sent);
	free(got);
	return "";
}

/* A client that is gone is found out, without SIGPIPE. */
const char *test_batch_to_nobody(void) {
	static batch b;
	static char text[] = "text";
	int ends[2];
	if (!pair(ends)) return "no socket";
	close(ends[1]);
	if (!batch_begin(&b, ends[0], text, 4, 4)) return "no transmitter";
	fill_up(&b); /* as full as a closed one counts */
	close(ends[0]);
	return b.full && b.sent == 0 ? "" : "it goes unnoticed";
}

/* A flush sends at once, with or without the transmitter, up to a full socket. */
const char *test_batch_flush(void) {
	static batch b;
	int ends[2];
	char *bytes = calloc(LARGE, 1);
	if (!pair(ends) || !bytes) return "no socket";
	if (!batch_flush(&b)) return "a batch that nobody has begun cannot be flushed";
	batch_begin(&b, ends[0], bytes, LARGE, 10);
	if (!batch_flush(&b) || b.sent != 0) return "what was not offered was flushed";
	batch_offer(&b);
	if (!batch_flush(&b)) return "a little was not flushed";
	batch_reclaim(&b);
	if (b.sent != 10) return "a little was flushed in part";
	batch_begin(&b, ends[0], bytes, LARGE, LARGE);
	batch_offer(&b);
	if (batch_flush(&b)) return "a full socket took everything";
	batch_reclaim(&b);
	close(ends[0]);
	close(ends[1]);
	free(bytes);
	return "";
}

struct stream {
	batch b;
	int ends[2];
	unsigned seed;
	const char *wrong;
};

/* produce: the numbers in order, as an owner sends them: in pieces, some of which wait. */
static void *produce(void *argument) {
	struct stream *s = argument;
	batch *b = &s->b;
	char buf[1 << 14];
	for (uint32_t i = 0; i < NUMBERS;) {
		batch_begin(b, s->ends[0], buf, sizeof buf, 0);
		for (int more = 1; more && i < NUMBERS;) {
			uint64_t n = rand_r(&s->seed) % 50 + 1;
			batch_reclaim(b);
			if (b->sent == b->end) b->since = clock_now();
			for (; n > 0 && i < NUMBERS && b->end + sizeof i <= sizeof buf; n--, b->end += sizeof i, i++)
				memcpy(buf + b->end, &i, sizeof i);
			more = b->end + sizeof i <= sizeof buf && !b->full && rand_r(&s->seed) % 20 != 0;
			batch_offer(b);
			if (rand_r(&s->seed) % 16 == 0) usleep(rand_r(&s->seed) % 1500);
		}
		batch_reclaim(b);
		while (b->sent < b->end) {
			ssize_t n = send(s->ends[0], buf + b->sent, b->end - b->sent, MSG_NOSIGNAL);
			if (n < 0) return NULL;
			b->sent += (uint64_t)n;
		}
	}
	shutdown(s->ends[0], SHUT_WR);
	return NULL;
}

static void *consume(void *argument) {
	struct stream *s = argument;
	for (uint32_t i = 0, got; i < NUMBERS; i++)
		if (!read_whole(s->ends[1], (char *)&got, sizeof got) || got != i) {
			s->wrong = "the stream came changed";
			shutdown(s->ends[1], SHUT_RDWR);
			return NULL;
		}
	return NULL;
}

/* Owners and transmitter never send the same, or in another order. */
const char *test_batches_in_order(void) {
	enum { STREAMS = 3 };
	static struct stream streams[STREAMS];
	pthread_t threads[2 * STREAMS];
	const char *wrong = "";
	for (int i = 0; i < STREAMS; i++) {
		streams[i].seed = (unsigned)i + 1;
		if (!pair(streams[i].ends)) return "no socket";
		if (pthread_create(&threads[2 * i], NULL, produce, &streams[i]) != 0
			|| pthread_create(&threads[2 * i + 1], NULL, consume, &streams[i]) != 0)
			return "no thread";
	}
	for (int i = 0; i < 2 * STREAMS; i++) pthread_join(threads[i], NULL);
	for (int i = 0; i < STREAMS; i++) {
		close(streams[i].ends[0]);
		close(streams[i].ends[1]);
		if (streams[i].wrong) wrong = streams[i].wrong;
	}
	return wrong;
}

/* wait_for_it: offer one byte at a time, at any moment of the transmitter's, and do nothing until it has come. */
static void *wait_for_it(void *argument) {
	struct stream *s = argument;
	char byte = 0, got;
	for (int i = 0; i < 400; i++) {
		if (!batch_begin(&s->b, s->ends[0], &byte, 1, 1)) s->wrong = "no transmitter";
		usleep(rand_r(&s->seed) % 1300);
		s->b.since = clock_now();
		batch_offer(&s->b);
		if (!read_whole(s->ends[1], &got, 1)) s->wrong = "an offer slept";
		batch_reclaim(&s->b);
	}
	return NULL;
}

/* No offer is missed by a transmitter that is falling asleep, whoever's timer has just rung. */
const char *test_batch_wakes(void) {
	enum { OWNERS = 4 };
	static struct stream streams[OWNERS];
	pthread_t threads[OWNERS];
	const char *wrong = "";
	for (int i = 0; i < OWNERS; i++) {
		streams[i].seed = (unsigned)i + 1;
		if (!pair(streams[i].ends)) return "no socket";
		if (pthread_create(&threads[i], NULL, wait_for_it, &streams[i]) != 0) return "no thread";
	}
	for (int i = 0; i < OWNERS; i++) {
		pthread_join(threads[i], NULL);
		close(streams[i].ends[0]);
		close(streams[i].ends[1]);
		if (streams[i].wrong) wrong = streams[i].wrong;
	}
	return wrong;
}
