/* library.c: gosrv as a library in the user's own static `python`. The library is loaded in
 * the zygote, so that the workers share it, but Go must start in the worker: nothing that
 * has a running Go can fork. Go starts by an entry of the library's .init_array, which the
 * dynamic linker runs through while it loads. The constructor here comes first in that
 * array, by its priority, and puts what follows aside; start_go does it later, in the
 * worker. */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void (*initialiser)(int argc, char **argv, char **envp);

enum { ENTRIES = 32 };
static initialiser held[ENTRIES];
static size_t held_count;
static int arguments;
static char **argument, **environment;
static const char *trouble = "its constructor did not run";

struct array {
	initialiser *entries;
	size_t count;
};

static void nothing(int argc, char **argv, char **envp) { (void)argc, (void)argv, (void)envp; }

/* find_array: the .init_array of the object that holds the given address. */
static int find_array(struct dl_phdr_info *info, size_t size, void *data) {
	(void)size;
	struct array *out = data;
	uintptr_t here = (uintptr_t)&nothing;
	const ElfW(Dyn) *dynamic = NULL;
	int mine = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && here >= from && here < from + p->p_memsz) mine = 1;
		if (p->p_type == PT_DYNAMIC) dynamic = (const ElfW(Dyn) *)from;
	}
	if (!mine || dynamic == NULL) return 0;
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_INIT_ARRAY) out->entries = (initialiser *)(info->dlpi_addr + dynamic->d_un.d_ptr);
		if (dynamic->d_tag == DT_INIT_ARRAYSZ) out->count = dynamic->d_un.d_val / sizeof(initialiser);
	}
	return 1;
}

/* put_aside: keep the entries behind this constructor, and let the linker run nothing for
 * them. The array is read-only after relocation, so its pages are made writable meanwhile. */
static const char *put_aside(initialiser self) {
	struct array all = {NULL, 0};
	dl_iterate_phdr(find_array, &all);
	size_t first = 0;
	while (first < all.count && all.entries[first] != self) first++;
	if (first >= all.count) return "it has no list of initialisers";
	size_t count = all.count - first - 1;
	if (count == 0 || count > ENTRIES) return "its list of initialisers is not as expected";
	initialiser *rest = all.entries + first + 1;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t)rest & ~(page - 1), to = (uintptr_t)(rest + count);
	if (mprotect((void *)from, to - from, PROT_READ | PROT_WRITE) != 0) return strerror(errno);
	for (size_t i = 0; i < count; i++) {
		held[i] = rest[i];
		rest[i] = nothing;
	}
	mprotect((void *)from, to - from, PROT_READ);
	held_count = count;
	return NULL;
}

/* 101 is the first priority that is not the implementation's own. */
__attribute__((constructor(101))) static void hold_go_back(int argc, char **argv, char **envp) {
	libc_arguments(&argc, &argv, &envp);
	libc_preloaded();
	arguments = argc;
	argument = argv;
	environment = envp;
	trouble = put_aside(hold_go_back);
}

static void start_go(void) {
	for (size_t i = 0; i < held_count; i++) held[i](arguments, argument, environment);
}

/* gosrv_continue_as_zygote: cgo/process_refork.c's way in, where this library is the second copy of the code. */
__attribute__((visibility("default"))) void gosrv_continue_as_zygote(int control, char *area, unsigned long room, void *carry_on) {
	process_continue_as_zygote(control, area, room, carry_on, trouble, start_go);
}

/* PyInit__gosrv: Python's way in. No module comes of it: this process is the zygote from
 * here on, and each worker serves from here. Called on the main thread, with the GIL. */
__attribute__((visibility("default"))) void *PyInit__gosrv(void) {
	process_library(arguments, argument, trouble, start_go);
	return NULL;
}
