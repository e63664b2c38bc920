/* process_limits.c: limits under which Go's runtime cannot live. It finds out by dying with a
 * dump of itself, at its start or at any later thread, so they are looked at before. */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static char text[512]; /* of what is lacking */

/* What Go takes beside what the process has, in MiB, and what to do instead. Most of the address
 * space is reserved only: tables for a heap of any size, 8 MiB of stack a thread, glibc's arenas.
 * Measured: with less than 1,700 MiB, and less than 150 of data, some starts fail. */
static const struct limit {
	int resource;
	const char *name, *where, *instead;
	unsigned long need;
	int column; /* in /proc/self/statm */
} limits[] = {
	{RLIMIT_AS, "RLIMIT_AS", "ulimit -v, LimitAS=", "though it uses little of it: limit memory by a cgroup (MemoryMax=, docker run --memory) or by RLIMIT_DATA (ulimit -d, LimitDATA=) instead", 2048, 0},
	{RLIMIT_DATA, "RLIMIT_DATA", "ulimit -d, LimitDATA=", "with its threads' stacks: raise the limit, or limit memory by a cgroup (MemoryMax=, docker run --memory)", 256, 5},
};

enum {
	FILES = 64,   /* fewer descriptors do not last for a start */
	THREADS = 8,  /* of Go in a process that does little */
	STACK = 64 << 10, /* or what the machine asks for at least: 128 KiB on arm64, a page of 64 KiB and more */
};

/* used: what the process has of it, in MiB; 0 if /proc does not say. */
static unsigned long used(int column) {
	unsigned long pages[6] = {0};
	FILE *f = fopen("/proc/self/statm", "re");
	if (f == NULL) return 0;
	for (int i = 0; i <= column; i++)
		if (fscanf(f, "%lu", &pages[i]) != 1) break;
	fclose(f);
	return pages[column] * (unsigned long)sysconf(_SC_PAGESIZE) >> 20;
}

static int lacks_memory(void) {
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		const struct limit *l = &limits[i];
		struct rlimit now;
		if (getrlimit(l->resource, &now) != 0 || now.rlim_cur == RLIM_INFINITY) continue;
		unsigned long most = now.rlim_cur >> 20, has = used(l->column);
		if (most >= has + l->need) continue;
		snprintf(text, sizeof text, "%s is %lu MiB (%s), and the Go runtime needs %lu MiB beside the %lu in use, %s",
			l->name, most, l->where, l->need, has, l->instead);
		return 1;
	}
	return 0;
}

/* lacks_files: Go raises the soft limit to the hard one, so that is the one that counts. */
static int lacks_files(void) {
	struct rlimit now;
	if (getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_max >= FILES) return 0;
	snprintf(text, sizeof text, "RLIMIT_NOFILE is %lu (ulimit -n, LimitNOFILE=), and gosrv needs %d descriptors, and one more for each connection: raise the limit",
		(unsigned long)now.rlim_max, FILES);
	return 1;
}

/* What Go's runtime, and the way to the zygote, have no stand-in for. The first argument is one that
 * the kernel finds wrong: nothing is opened. */
static const struct call {
	const char *name;
	long number, first, second, third;
} calls[] = {
	{"epoll_create1", SYS_epoll_create1, -1, 0, 0},
	{"epoll_ctl", SYS_epoll_ctl, -1, 0, -1},
	{"eventfd2", SYS_eventfd2, 0, -1, 0},
	{"pipe2", SYS_pipe2, 0, -1, 0},
	{"dup3", SYS_dup3, -1, -1, -1},
};

/* lacks_calls: Go dies with a dump of itself where it may not make one of these. */
static int lacks_calls(void) {
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		const struct call *c = &calls[i];
		if (syscall(c->number, c->first, c->second, c->third, NULL) >= 0 || (errno != ENOSYS && errno != EPERM && errno != EACCES)) continue;
		snprintf(text, sizeof text, "the system call %s is refused here (%s), and gosrv cannot do without it: allow it in the seccomp profile of the container or sandbox (SystemCallFilter=, docker run --security-opt seccomp=)",
			c->name, strerror(errno));
		return 1;
	}
	return 0;
}

static void *pass(void *gate) {
	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
	return NULL;
}

/* lacks_threads: start as many at once, and end them. They see no signal, and their stacks, lent by
 * this function, do not stay behind in glibc's. */
static int lacks_threads(void) {
	pthread_t threads[THREADS];
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_attr_t attr;
	sigset_t all, before;
	int started = 0, error = 0;
	long least = sysconf(_SC_THREAD_STACK_MIN), page = sysconf(_SC_PAGESIZE);
	size_t stack = least > STACK ? ((size_t)least + page - 1) / page * page : STACK;
	char *stacks = mmap(NULL, THREADS * stack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stacks == MAP_FAILED) return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_mutex_lock(&gate);
	while (started < THREADS && error == 0) {
		error = pthread_attr_setstack(&attr, stacks + started * stack, stack);
		if (error == 0) error = pthread_create(&threads[started], &attr, pass, &gate);
		if (error == 0) started++;
	}
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	munmap(stacks, THREADS * stack);
	if (error == 0) return 0;
	if (error == EPERM) { /* no limit says that: newer C libraries try clone3 first, and take only ENOSYS for "try clone" */
		snprintf(text, sizeof text, "a seccomp filter refuses to start threads (clone3: %s): the container's runtime is older than its C library; Docker 20.10.10 and libseccomp 2.5.2 know clone3, and SystemCallFilter= has it in @process",
			strerror(error));
		return 1;
	}
	snprintf(text, sizeof text, "only %d of the %d threads that the Go runtime needs could be started (%s): raise the limit of processes and threads (ulimit -u, TasksMax=, docker run --pids-limit, pids.max of the cgroup)",
		started, THREADS, strerror(error));
	return 1;
}

const char *process_lacks(void) { return lacks_calls() || lacks_memory() || lacks_files() || lacks_threads() ? text : NULL; }
