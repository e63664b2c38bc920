/* limit.c: the yardstick: an epoll server that reads whatever comes and writes one constant
 * answer. No parser, no Python, no limits: no real server can need less. Usage: limit PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] =
	"HTTP/1.1 200 OK\r\nServer: limit\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
	"Connection: keep-alive\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

static void take_connections(int listener, int poll) {
	int fd, on = 1;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
	}
}

static void answer_one(int fd) {
	char buffer[8192];
	if (read(fd, buffer, sizeof buffer) <= 0 || write(fd, answer, sizeof answer - 1) < 0) close(fd);
}

int main(int argc, char **argv) {
	if (argc != 2) return 2;
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[128];
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (void *)&address, sizeof address) != 0 || listen(listener, 2048) != 0) return 1;
	epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int n = epoll_wait(poll, events, 128, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				take_connections(listener, poll);
			else
				answer_one(events[i].data.fd);
		}
	}
}
