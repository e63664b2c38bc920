/* open_loop.c: a client whose requests fall due at times that no answer can move. Each latency is counted from when its
 * request was due, not from when a connection was free for it (what is left out otherwise is known as coordinated omission).
 *
 * Usage: open_loop PORT REQUEST RATE CONNECTIONS SECONDS
 *
 *   REQUEST      a file with the bytes of one request
 *   RATE         requests a second on average, of a Poisson process with a fixed seed: the same gaps for every server,
 *                in another measure. Evenly spaced ones would never meet, as those of people do.
 *   CONNECTIONS  at most, kept alive if the server does, opened when they are needed (a server that takes one request at a
 *                time would wait for a connection that is open and silent); a request that is due when all are taken
 *                waits for the first that is free
 *
 * One line of JSON is written: what was counted, and latencies in ms. `lag` is how late this client itself was, in ms
 * (99 % of the requests for which a connection was free). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, EVENTS = 256, ROOM = 1 << 16, PATIENCE = 5 /* s, for the last answers */ };

static struct connection {
	int fd;            /* -1: is to be opened for the next request */
	int asked;         /* a request is on its way */
	int opening;       /* its connection is not there yet */
	int again;         /* the server had closed the connection that was kept: this one was opened in its place */
	double due;        /* of the request that is on its way, s */
	size_t got, whole; /* bytes of the answer; its size once the head was read, 0 before, SIZE_MAX: ends with the connection */
	int chunked, closes, bad;
	char answer[ROOM];
} *connections;

static struct sockaddr_in address = {.sin_family = AF_INET};
static char *request;
static size_t request_size;
static int count, epoll, idle[MOST], idles;
static double *waiting; /* when the requests that no connection was free for were due; a ring's two ends follow */
static size_t waiting_head, waiting_tail;
static double *latencies, *lags;
static size_t answered, lagged, bytes, connects, reads, statuses;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* gap draws the time to the next request: exponential, by xorshift. */
static double gap(double rate) {
	static uint64_t x = 20261130;
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return -log((double)((x >> 11) + 1) / 9007199254740993.0) / rate;
}

static void watch(int n, int operation, unsigned events) {
	struct epoll_event event = {.events = events, .data.u32 = n};
	epoll_ctl(epoll, operation, connections[n].fd, &event);
}

static int opened(int n) {
	struct connection *c = &connections[n];
	int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(c->fd, (void *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
		connects++;
		close(c->fd);
		c->fd = -1;
		return 0;
	}
	c->opening = 1;
	watch(n, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
	return 1;
}

static void shut(int n) {
	close(connections[n].fd);
	connections[n].fd = -1;
}

static void finish(int n);

/* lose is a connection that ended without an answer: the first time in a request a new one takes its place. */
static void lose(int n) {
	struct connection *c = &connections[n];
	shut(n);
	if (!c->again && c->got == 0) {
		c->again = 1;
		if (opened(n)) return;
	} else
		reads++;
	c->bad = 1;
	finish(n);
}

static void ask(int n, double due) {
	struct connection *c = &connections[n];
	c->asked = 1, c->due = due, c->got = c->whole = 0, c->chunked = c->closes = c->bad = 0;
	c->again = c->fd < 0;
	if (c->fd < 0)
		opened(n); /* where that fails the request stays unanswered, and so does its connection: the server is gone */
	else if (write(c->fd, request, request_size) != (ssize_t)request_size)
		lose(n); /* a small request fits into an empty socket */
}

/* finish is the end of a request, answered or not; its connection takes the one that waits longest. */
static void finish(int n) {
	struct connection *c = &connections[n];
	c->asked = 0;
	if (!c->bad) latencies[answered++] = now() - c->due, bytes += c->got;
	if (c->closes && c->fd >= 0) shut(n);
	if (waiting_head < waiting_tail)
		ask(n, waiting[waiting_head++]);
	else
		idle[idles++] = n;
}

/* read_head learns from a whole head where the answer ends. */
static void read_head(struct connection *c) {
	char *end = memmem(c->answer, c->got, "\r\n\r\n", 4), *field;
	if (end == NULL) return;
	size_t head = end + 4 - c->answer;
	*end = 0;
	if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0 && strncmp(c->answer, "HTTP/1.0 200", 12) != 0) statuses++, c->bad = 1;
	c->closes = strcasestr(c->answer, "\r\nconnection: close") != NULL;
	c->chunked = strcasestr(c->answer, "\r\ntransfer-encoding: chunked") != NULL;
	field = strcasestr(c->answer, "\r\ncontent-length:");
	c->whole = field ? head + strtoul(field + 17, NULL, 10) : SIZE_MAX;
	if (!field && !c->chunked) c->closes = 1;
	*end = '\r';
}

static int complete(struct connection *c) {
	if (c->whole == 0) read_head(c);
	if (c->chunked) return c->got >= 5 && memcmp(c->answer + c->got - 5, "0\r\n\r\n", 5) == 0;
	return c->whole != 0 && c->got >= c->whole;
}

static void hear(int n, unsigned events) {
	struct connection *c = &connections[n];
	if (c->opening && (events & (EPOLLOUT | EPOLLERR))) {
		c->opening = 0;
		watch(n, EPOLL_CTL_MOD, EPOLLIN);
		if (write(c->fd, request, request_size) != (ssize_t)request_size) lose(n);
		return;
	}
	ssize_t size = read(c->fd, c->answer + c->got, c->asked ? ROOM - c->got : ROOM);
	if (size < 0 && errno == EAGAIN) return;
	if (size <= 0) {
		if (!c->asked) shut(n);
		else if (c->whole == SIZE_MAX && !c->chunked) finish(n);
		else lose(n);
		return;
	}
	c->got += size;
	if (c->got == ROOM) c->bad = 1, reads++, shut(n), finish(n); /* larger than this client is for */
	else if (c->asked && complete(c)) finish(n);
}

static void fall_due(double due, double time) {
	if (idles == 0) {
		waiting[waiting_tail++] = due;
		return;
	}
	lags[lagged++] = time - due;
	ask(idle[--idles], due);
}

static int ascending(const void *a, const void *b) { return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b); }

static double at(double *values, size_t n, double share) {
	if (n == 0) return 0;
	size_t i = share * n;
	return values[i < n ? i : n - 1] * 1000;
}

/* run sends for so many seconds and waits for the answers; its result is how many requests fell due. */
static size_t run(int timer, double rate, double seconds) {
	struct epoll_event events[EVENTS];
	double begun = now(), next = begun + gap(rate), end = begun + seconds;
	size_t due = 0;
	for (double time = begun; (time < end || idles < count) && time < end + PATIENCE; time = now()) {
		for (; next <= time && next < end; next += gap(rate), due++) fall_due(next, time);
		double until = next < end ? next : time < end ? end : end + PATIENCE;
		struct itimerspec alarm = {.it_value = {.tv_sec = (time_t)until, .tv_nsec = (until - (time_t)until) * 1e9}};
		timerfd_settime(timer, TFD_TIMER_ABSTIME, &alarm, NULL); /* a time that has passed rings at once */
		int n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			uint64_t rung;
			if (events[i].data.u32 < MOST) hear(events[i].data.u32, events[i].events);
			else if (read(timer, &rung, sizeof rung) < 0) continue;
		}
	}
	return due;
}

static int load_request(const char *path) {
	struct stat facts;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &facts) != 0) return -1;
	request = malloc(facts.st_size);
	request_size = read(fd, request, facts.st_size);
	close(fd);
	return request_size == (size_t)facts.st_size ? 0 : -1;
}

int main(int argc, char **argv) {
	if (argc != 6 || load_request(argv[2]) != 0) return 2;
	double rate = atof(argv[3]), seconds = atof(argv[5]);
	count = atoi(argv[4]);
	if (rate <= 0 || seconds <= 0 || count <= 0 || count > MOST) return 2;
	size_t room = rate * seconds * 2 + 1000; /* a Poisson process never doubles */
	connections = calloc(count, sizeof *connections);
	waiting = calloc(room, sizeof(double)), latencies = calloc(room, sizeof(double)), lags = calloc(room, sizeof(double));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(atoi(argv[1]));
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	epoll = epoll_create1(0);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &(struct epoll_event){.events = EPOLLIN, .data.u32 = MOST});
	for (int n = 0; n < count; n++) {
		connections[n].fd = -1;
		idle[idles++] = n;
	}
	double begun = now();
	size_t due = run(timer, rate, seconds);
	double took = now() - begun;
	qsort(latencies, answered, sizeof *latencies, ascending);
	qsort(lags, lagged, sizeof *lags, ascending);
	printf("{\"requests\": %zu, \"seconds\": %.6f, \"bytes\": %zu, \"p50\": %.4f, \"p99\": %.4f, \"p99.9\": %.4f, \"max\": %.4f, \"lag\": %.4f, "
		   "\"errors\": {\"connect\": %zu, \"read\": %zu, \"timeout\": %zu, \"status\": %zu}}\n",
		   answered, took > seconds ? took : seconds, bytes, at(latencies, answered, .5), at(latencies, answered, .99), at(latencies, answered, .999),
		   at(latencies, answered, 1), at(lags, lagged, .99), connects, reads, due - answered - reads - statuses - connects, statuses);
	return 0;
}
