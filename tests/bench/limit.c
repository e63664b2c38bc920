/* limit.c: the yardstick: an epoll server that reads whatever comes and writes one constant
 * answer. No parser, no Python, no limits: no real server can need less.
 *
 * Usage: limit PORT [answer=FILE] [pieces=N,N,...] [request=BYTES] [close=1] [delay=MS] [workers=N]
 *
 *   answer   what to send instead of a greeting of 13 bytes
 *   pieces   sizes of the writes that the answer leaves in, as a stream does; their sum is its size
 *   request  bytes of one request; without it each read is one request
 *   close    end the connection after an answer to a request that says Connection: close
 *   delay    milliseconds between a request and its answer, as of an application that waits
 *   workers  processes that share the listening socket */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 65536, EVENTS = 128, PIECES = 64, READ = 65536 };

static const char greeting[] =
	"HTTP/1.1 200 OK\r\nServer: limit\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
	"Connection: keep-alive\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

static const char *answer = greeting;
static size_t answer_size = sizeof greeting - 1;
static size_t ends[PIECES], pieces; /* where each write of the answer ends */
static size_t request_size;         /* 0: each read is one request */
static int heeds_close, workers = 1;
static long delay; /* ns */

static struct connection {
	size_t got;   /* bytes of the request in progress */
	size_t sent;  /* bytes of the answer in progress */
	char last;    /* it is to be closed after this answer */
	char blocked; /* EPOLLOUT is awaited */
} connections[FDS];

static struct due {
	int fd;
	long at;
} queue[FDS]; /* a ring: with one delay for all, what came first is due first */
static unsigned queue_head, queue_tail;

static int epoll;

static long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void watch(int fd, int operation, unsigned events) {
	struct epoll_event event = {.events = events, .data.fd = fd};
	epoll_ctl(epoll, operation, fd, &event);
}

static void take_connections(int listener) {
	int fd, on = 1;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		connections[fd] = (struct connection){0};
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		watch(fd, EPOLL_CTL_ADD, EPOLLIN);
	}
}

/* give writes what is left of the answer, as far as the socket takes it. */
static void give(int fd) {
	struct connection *c = &connections[fd];
	for (size_t piece = 0; piece < pieces; piece++) {
		while (c->sent < ends[piece]) {
			ssize_t n = write(fd, answer + c->sent, ends[piece] - c->sent);
			if (n < 0 && errno == EAGAIN) {
				if (!c->blocked) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
				c->blocked = 1;
				return;
			}
			if (n < 0) {
				close(fd);
				return;
			}
			c->sent += n;
		}
	}
	c->sent = 0;
	if (c->blocked) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
	c->blocked = 0;
	if (c->last) close(fd);
}

static void take_request(int fd) {
	static char buffer[READ];
	struct connection *c = &connections[fd];
	ssize_t n = read(fd, buffer, request_size ? sizeof buffer : 8192);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN) close(fd);
		return;
	}
	c->got += n;
	if (c->got < request_size) return;
	c->got = request_size ? c->got - request_size : 0;
	if (heeds_close) c->last = memmem(buffer, n, "Connection: close", 17) != NULL;
	if (delay == 0) {
		give(fd);
		return;
	}
	queue[queue_tail++ % FDS] = (struct due){fd, now() + delay};
}

/* patience is how many ms the next answer still waits, -1 when none does. */
static int patience(void) {
	if (queue_head == queue_tail) return -1;
	long left = queue[queue_head % FDS].at - now();
	return left <= 0 ? 0 : (left + 999999) / 1000000;
}

static void serve(int listener) {
	struct epoll_event events[EVENTS];
	epoll = epoll_create1(0);
	watch(listener, EPOLL_CTL_ADD, workers > 1 ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, delay ? patience() : -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener)
				take_connections(listener);
			else if (connections[fd].sent > 0 && (events[i].events & EPOLLOUT))
				give(fd);
			else
				take_request(fd);
		}
		while (queue_head != queue_tail && patience() == 0) give(queue[queue_head++ % FDS].fd);
	}
}

static int load_answer(const char *path) {
	struct stat facts;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &facts) != 0) return -1;
	char *text = malloc(facts.st_size);
	size_t got = 0;
	ssize_t n;
	while ((n = read(fd, text + got, facts.st_size - got)) > 0) got += n;
	close(fd);
	answer = text;
	answer_size = got;
	return 0;
}

static void split_answer(char *sizes) {
	size_t at = 0;
	for (char *word = strtok(sizes, ","); word && pieces < PIECES - 1; word = strtok(NULL, ","))
		ends[pieces++] = at += strtoul(word, NULL, 10);
}

static int option(char *word) {
	char *value = strchr(word, '=');
	if (value == NULL) return -1;
	*value++ = 0;
	if (strcmp(word, "answer") == 0) return load_answer(value);
	if (strcmp(word, "pieces") == 0) split_answer(value);
	else if (strcmp(word, "request") == 0) request_size = strtoul(value, NULL, 10);
	else if (strcmp(word, "close") == 0) heeds_close = atoi(value);
	else if (strcmp(word, "delay") == 0) delay = atol(value) * 1000000L;
	else if (strcmp(word, "workers") == 0) workers = atoi(value);
	else return -1;
	return 0;
}

int main(int argc, char **argv) {
	if (argc < 2) return 2;
	for (int i = 2; i < argc; i++) {
		if (option(argv[i]) == 0) continue;
		fprintf(stderr, "limit: what is %s?\n", argv[i]);
		return 2;
	}
	if (pieces == 0 || ends[pieces - 1] < answer_size) ends[pieces++] = answer_size;
	signal(SIGPIPE, SIG_IGN);
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (void *)&address, sizeof address) != 0 || listen(listener, 2048) != 0) return 1;
	for (int i = 1; i < workers; i++) {
		if (fork() != 0) continue;
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		break;
	}
	serve(listener);
}
