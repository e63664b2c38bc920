/* process_sleep.c: a zygote that waits sleeps small. Once its workers have written to the pages that they
 * had in common its own copies of them are nobody else's: megabytes that it needs at the next fork only.
 * They are packed, and given back to the kernel until something comes on its channel.
 *
 * While they are away they read as zeros, so nothing may run but what is below: every signal is
 * blocked, there is one thread, and the memory of Python, malloc and the dynamic linker is not
 * touched. What is called meanwhile has been called before, so that no symbol is left to be found. */
#define _GNU_SOURCE
#include "process.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	CHUNK = 16,             /* pages that are packed together: matches reach that far */
	LEAST_AREA = 256 << 10, /* smaller ones may be the C library's; Python's are larger */
	LEAST = 128,            /* pages; less is not worth it */
	MATCH = 4,              /* bytes, the shortest */
	HASH_BITS = 12
};

/* Bits of /proc/self/pagemap. */
#define PRESENT (UINT64_C(1) << 63)
#define OF_FILE (UINT64_C(1) << 61)
#define EXCLUSIVE (UINT64_C(1) << 56)

extern char _GLOBAL_OFFSET_TABLE_[] __attribute__((visibility("hidden")));

typedef struct {
	uintptr_t *pages; /* in order */
	size_t count, room;
} page_list;

static void *area(size_t size) {
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* put_length: what a half byte, which holds up to 14, cannot. */
static unsigned char *put_length(unsigned char *out, size_t n) {
	if (n < 15) return out;
	for (n -= 15; n >= 255; n -= 255) *out++ = 255;
	*out++ = (unsigned char)n;
	return out;
}

static const unsigned char *get_length(const unsigned char *in, size_t *n) {
	if (*n < 15) return in;
	do *n += *in; while (*in++ == 255);
	return in;
}

/* find_match: the next four bytes from *at on that were there before; their length from there on, 0 when there are none. */
static size_t find_match(const unsigned char *in, size_t size, uint16_t *last, size_t *at, size_t *distance) {
	for (; *at + MATCH <= size; ++*at) {
		uint32_t word;
		memcpy(&word, in + *at, sizeof word);
		uint16_t *slot = &last[(word * 2654435761u) >> (32 - HASH_BITS)], before = *slot;
		*slot = (uint16_t)(*at + 1); /* 0: none */
		if (before == 0 || before > *at || memcmp(in + before - 1, in + *at, MATCH) != 0) continue;
		*distance = *at + 1 - before;
		size_t length = MATCH;
		while (*at + length < size && in[*at + length] == in[*at + length - *distance]) length++;
		return length;
	}
	*at = size;
	return 0;
}

/* pack: repeated, a byte with two lengths, what is left of the first; so many bytes as they are; the distance of what
 * is repeated after them, in two bytes, and what is left of the second length. */
static unsigned char *pack(const unsigned char *in, size_t size, unsigned char *out) {
	uint16_t last[1 << HASH_BITS];
	memset(last, 0, sizeof last);
	for (size_t from = 0, at = 0, distance = 0; from < size; from = at) {
		size_t length = find_match(in, size, last, &at, &distance), plain = at - from, more = length ? length - MATCH : 0;
		*out++ = (unsigned char)((plain < 15 ? plain : 15) << 4 | (more < 15 ? more : 15));
		out = put_length(out, plain);
		memcpy(out, in + from, plain);
		out += plain;
		if (length == 0) break;
		*out++ = (unsigned char)distance;
		*out++ = (unsigned char)(distance >> 8);
		out = put_length(out, more);
		at += length;
	}
	return out;
}

static const unsigned char *unpack(const unsigned char *in, unsigned char *out, size_t size) {
	for (unsigned char *end = out + size; out < end;) {
		size_t plain = *in >> 4, more = *in & 15;
		in = get_length(in + 1, &plain);
		memcpy(out, in, plain);
		in += plain;
		out += plain;
		if (out >= end) break;
		size_t distance = in[0] | in[1] << 8;
		in = get_length(in + 2, &more);
		for (size_t n = more + MATCH; n > 0; n--, out++) *out = out[-(ptrdiff_t)distance];
	}
	return in;
}

/* add_area: the pages of one mapping that no other process has, but not those that are written to below. */
static int add_area(page_list *list, int pagemap, uintptr_t begin, uintptr_t end) {
	uint64_t bits[512];
	for (uintptr_t at = begin; at < end;) {
		size_t n = (end - at) / PAGE < 512 ? (end - at) / PAGE : 512;
		if (pread(pagemap, bits, n * sizeof *bits, (off_t)(at / PAGE * sizeof *bits)) != (ssize_t)(n * sizeof *bits)) return -1;
		for (size_t i = 0; i < n && list->count < list->room; i++) {
			uintptr_t page = at + i * PAGE, into_list = page - (uintptr_t)list->pages;
			if (into_list < list->room * sizeof *list->pages) continue;
			if ((bits[i] & (PRESENT | OF_FILE | EXCLUSIVE)) == (PRESENT | EXCLUSIVE)) list->pages[list->count++] = page;
		}
		at += n * PAGE;
	}
	return 0;
}

/* may_go: whether a line of /proc/self/maps is of memory that nobody needs meanwhile. The kernel writes to the thread's
 * own, where errno is; this program's has the addresses of what is called. */
static int may_go(const char *line, uintptr_t *begin, uintptr_t *end) {
	const uintptr_t needed[] = {(uintptr_t)&errno, (uintptr_t)&main_thread, (uintptr_t)_GLOBAL_OFFSET_TABLE_, (uintptr_t)needed};
	char rights[5], name[8] = "";
	if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %7s", begin, end, rights, name) < 3) return 0;
	if (strcmp(rights, "rw-p") != 0 || *end - *begin < LEAST_AREA || strncmp(name, "/dev/", 5) == 0) return 0;
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		if (needed[i] >= *begin && needed[i] < *end) return 0;
	return 1;
}

/* find_pages: what the process has written to in such memory, its libraries' included. */
static int find_pages(page_list *list) {
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC); /* after setuid it may be root's */
	if (pagemap < 0) return -1;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int failed = maps == NULL;
	list->count = 0;
	while (!failed && fgets(line, sizeof line, maps) != NULL) {
		uintptr_t begin, end;
		if (may_go(line, &begin, &end)) failed = add_area(list, pagemap, begin, end) != 0;
	}
	if (maps != NULL) fclose(maps);
	close(pagemap);
	return failed ? -1 : 0;
}

static size_t in_chunk(const page_list *list, size_t first) {
	return list->count - first < CHUNK ? list->count - first : CHUNK;
}

/* pack_pages: into out; how much that is. */
static size_t pack_pages(const page_list *list, unsigned char *out, unsigned char *chunk) {
	unsigned char *p = out;
	for (size_t first = 0; first < list->count; first += CHUNK) {
		size_t n = in_chunk(list, first);
		for (size_t i = 0; i < n; i++) memcpy(chunk + i * PAGE, (void *)list->pages[first + i], PAGE);
		p = pack(chunk, n * PAGE, p);
	}
	return (size_t)(p - out);
}

static void unpack_pages(const page_list *list, const unsigned char *in, unsigned char *chunk) {
	for (size_t first = 0; first < list->count; first += CHUNK) {
		size_t n = in_chunk(list, first);
		in = unpack(in, chunk, n * PAGE);
		for (size_t i = 0; i < n; i++) memcpy((void *)list->pages[first + i], chunk + i * PAGE, PAGE);
	}
}

/* give_away: pages beside each other in one call. One that is locked in memory stays, and gets the
 * same bytes again. */
static void give_away(const page_list *list) {
	for (size_t i = 0, n; i < list->count; i += n) {
		for (n = 1; i + n < list->count && list->pages[i + n] == list->pages[i] + n * PAGE; n++) {}
		syscall(SYS_madvise, list->pages[i], n * PAGE, MADV_DONTNEED);
	}
}

/* wait_for: 1 when something has come on fd, 0 after so many seconds. */
static int wait_for(int fd, long seconds) {
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec limit = {.tv_sec = seconds};
	long came;
	while ((came = syscall(SYS_ppoll, &p, 1, &limit, NULL, 0)) < 0) {}
	return came > 0;
}

/* sleep_packed: as wait_for, without those pages. */
static int sleep_packed(const page_list *list, int fd, long seconds, unsigned char *out, unsigned char *chunk) {
	sigset_t all, before;
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &before) != 0) return 1;
	int came = 1;
	if (pack_pages(list, out, chunk) < list->count * PAGE / 4 * 3) {
		unpack_pages(list, out, chunk); /* every function is found, and what comes back is what went */
		give_away(list);
		came = wait_for(fd, seconds);
		unpack_pages(list, out, chunk);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return came;
}

/* process_sleep: pages that the workers write to later become this process's own later: it looks again. */
void process_sleep(int fd) {
#ifndef __SANITIZE_ADDRESS__ /* its own memory is needed for each access */
	static const long looks[] = {5, 30, 300, 3600, 1L << 30}; /* s */
	if (!process_has_one_thread() || sysconf(_SC_PAGESIZE) != PAGE) return;
	page_list list = {.room = 32 << 10};
	size_t room = list.room * sizeof *list.pages;
	list.pages = area(room);
	unsigned char *chunk = area(CHUNK * PAGE); /* not there yet, for the kernel */
	for (size_t i = 0, came = list.pages == NULL || chunk == NULL; !came && i < sizeof looks / sizeof *looks; i++) {
		if (find_pages(&list) != 0) break;
		size_t most = (list.count + 1) * PAGE + list.count * PAGE / 32;
		unsigned char *out = list.count < LEAST ? NULL : area(most);
		if (out == NULL) break;
		came = sleep_packed(&list, fd, looks[i], out, chunk);
		munmap(out, most);
	}
	if (list.pages != NULL) munmap(list.pages, room);
	if (chunk != NULL) munmap(chunk, CHUNK * PAGE);
#endif
}
