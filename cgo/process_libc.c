/* process_libc.c: where the two C libraries differ, glibc and musl (Alpine's), which is decided when this is
 * compiled: what musl has not, and how it is done there. */
#define _GNU_SOURCE
#include "process.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __GLIBC__

int gosrv_heap_trim(void) { return malloc_trim(0); }

extern int __sigaction(int, const struct sigaction *, struct sigaction *);
int libc_sigaction(int s, const struct sigaction *new, struct sigaction *old) { return __sigaction(s, new, old); }

void libc_arguments(int *argc, char ***argv, char ***envp) { (void)argc, (void)argv, (void)envp; }
int libc_preload(void) { return 0; }
void libc_preloaded(void) {}
const char *libc_fit_second(int library) {
	(void)library;
	return NULL;
}

#else

#include <elf.h>
#include <errno.h>

extern char **environ;

int gosrv_heap_trim(void) { return 0; } /* free() gives back by itself */

/* libc_sigaction: musl has no second name for it; ours is hidden from dlsym. Its first call is before any handler of ours is set. */
int libc_sigaction(int s, const struct sigaction *new, struct sigaction *old) {
	static int (*next)(int, const struct sigaction *, struct sigaction *);
	if (next == NULL) *(void **)&next = dlsym(RTLD_DEFAULT, "sigaction");
	return next(s, new, old);
}

/* The environment as the kernel has passed it, which setenv moves elsewhere. A second copy of this code, loaded later, is told
 * of it by the first in a variable of this name. */
static char **environment;
static const char told[] = "_GOSRV_ENVIRONMENT";

/* libc_arguments: musl passes none. The kernel puts the number of arguments before them and the environment behind
 * the NULL at their end: the word that equals the number of words behind it is that number. */
void libc_arguments(int *argc, char ***argv, char ***envp) {
	const char *known = getenv(told);
	environment = known != NULL ? (char **)(uintptr_t)strtoull(known, NULL, 16) : environ;
	unsetenv(told);
	char **first = environment - 1;
	intptr_t n = 0;
	while ((intptr_t)first[-1] != n) first--, n++;
	*argc = (int)n;
	*argv = first;
	*envp = environment;
}

/* Go finds its goroutine in a thread-local word at a fixed distance from the thread's pointer. musl gives such
 * words only to what is there when the process starts, and so the library has to be. */
static const char variable[] = "LD_PRELOAD=", ours[] = "/proc/self/fd/5";

int libc_preload(void) {
	const char *own = getenv("LD_PRELOAD");
	size_t size = sizeof ours + 1 + (own ? strlen(own) : 0);
	char *value = malloc(size);
	if (value == NULL) return -1;
	strcpy(value, ours);
	if (own != NULL) strcat(strcat(value, ":"), own);
	int result = setenv("LD_PRELOAD", value, 1);
	free(value);
	return result;
}

/* libc_preloaded: give LD_PRELOAD the user's own value back, or none, in place: no other library's constructor need have run,
 * such as an allocator's, and /proc/PID/environ has no trace of ours either. */
void libc_preloaded(void) {
	for (char **e = environ; *e != NULL; e++) {
		if (strncmp(*e, variable, sizeof variable - 1) != 0) continue;
		char *entry = *e, *value = entry + sizeof variable - 1, *rest = value + sizeof ours - 1;
		if (strncmp(value, ours, sizeof ours - 1) != 0 || (*rest != ':' && *rest != 0)) return;
		size_t all = strlen(value);
		if (*rest == 0) {
			do e[0] = e[1];
			while (*e++ != NULL);
			memset(entry, 0, sizeof variable - 1 + all);
			return;
		}
		size_t left = strlen(++rest);
		memmove(value, rest, left);
		memset(value + left, 0, all - left);
		return;
	}
}

/* Go's word in the second copy of the code, which is loaded long after the start: this copy has room in reserve for such
 * words from its own start on, in each thread. They are zero at first, as Go's is to be. */
static __thread char reserve[64] __attribute__((tls_model("initial-exec"), aligned(16)));

#if defined(__x86_64__)
enum { DISTANCE = R_X86_64_TPOFF64, NUMBER = R_X86_64_64 };
static char *thread_pointer(void) {
	char *p;
	__asm__("mov %%fs:0, %0" : "=r"(p));
	return p;
}
#elif defined(__aarch64__)
enum { DISTANCE = R_AARCH64_TLS_TPREL, NUMBER = R_AARCH64_ABS64 };
static char *thread_pointer(void) {
	char *p;
	__asm__("mrs %0, tpidr_el0" : "=r"(p));
	return p;
}
#else
#error "gosrv runs on x86-64 and arm64"
#endif

typedef struct {
	int fd;
	Elf64_Ehdr head;
	Elf64_Phdr segments[32];
} object;

static int read_at(int fd, void *to, size_t size, uint64_t at) { return pread(fd, to, size, (off_t)at) == (ssize_t)size; }

/* place: where in the file that lies which is loaded at an address; 0: nowhere. */
static uint64_t place(const object *o, uint64_t address) {
	for (int i = 0; i < o->head.e_phnum; i++) {
		const Elf64_Phdr *p = &o->segments[i];
		if (p->p_type == PT_LOAD && address >= p->p_vaddr && address < p->p_vaddr + p->p_filesz) return address - p->p_vaddr + p->p_offset;
	}
	return 0;
}

/* relocations: where they are in the file, and their size in bytes. */
static int relocations(const object *o, uint64_t *at, uint64_t *size) {
	*at = *size = 0;
	for (int i = 0; i < o->head.e_phnum; i++) {
		const Elf64_Phdr *p = &o->segments[i];
		Elf64_Dyn d;
		if (p->p_type != PT_DYNAMIC) continue;
		for (uint64_t off = 0; off < p->p_filesz && read_at(o->fd, &d, sizeof d, p->p_offset + off) && d.d_tag != DT_NULL; off += sizeof d) {
			if (d.d_tag == DT_RELA) *at = place(o, d.d_un.d_ptr);
			if (d.d_tag == DT_RELASZ) *size = d.d_un.d_val;
		}
	}
	return *at != 0;
}

/* libc_fit_second: each distance from the thread's pointer that the file asks for becomes a plain number, that of the same place in
 * `reserve`. */
const char *libc_fit_second(int library) {
	static const char odd[] = "its ELF file is not as expected";
	object o = {.fd = library};
	uint64_t at, size;
	if (!read_at(library, &o.head, sizeof o.head, 0) || o.head.e_phnum > sizeof o.segments / sizeof *o.segments) return odd;
	if (!read_at(library, o.segments, o.head.e_phnum * sizeof *o.segments, o.head.e_phoff) || !relocations(&o, &at, &size)) return odd;
	for (uint64_t off = 0; off < size; off += sizeof(Elf64_Rela)) {
		Elf64_Rela r;
		if (!read_at(library, &r, sizeof r, at + off)) return odd;
		if (ELF64_R_TYPE(r.r_info) != DISTANCE) continue;
		if (ELF64_R_SYM(r.r_info) != 0 || (uint64_t)r.r_addend + sizeof(void *) > sizeof reserve) return odd;
		r.r_info = ELF64_R_INFO(0, NUMBER);
		r.r_addend += reserve - thread_pointer();
		if (pwrite(library, &r, sizeof r, (off_t)(at + off)) != (ssize_t)sizeof r) return strerror(errno);
	}
	char text[32];
	snprintf(text, sizeof text, "%llx", (unsigned long long)(uintptr_t)environment);
	return setenv(told, text, 1) == 0 ? NULL : strerror(errno);
}

#endif
