/* process_code_pages.c: a start runs through code that is never run again: imports, initialisers, the dynamic
 * linker. Its pages stay mapped and count as the process's memory. Once a process rests they are
 * unmapped, and what it does work with is mapped again, from memory, when it is touched. */
#define _GNU_SOURCE
#include "process.h"
#include "request.h"

#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BATCH = 512 };

/* Bits of /proc/self/pagemap; which physical page it is, another user's process is not told. */
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define OF_FILE (UINT64_C(1) << 61)

/* unwritten: whether no page from first on has become the process's own, by relocations in code,
 * a debugger's breakpoint or a patch at run time: those would be lost. */
static int unwritten(int pagemap, uintptr_t first, uintptr_t count) {
	uint64_t pages[BATCH];
	while (count > 0) {
		size_t n = count < BATCH ? count : BATCH, size = n * sizeof *pages;
		if (pread(pagemap, pages, size, (off_t)(first * sizeof *pages)) != (ssize_t)size) return 0;
		for (size_t i = 0; i < n; i++)
			if ((pages[i] & SWAPPED) || (pages[i] & (PRESENT | OF_FILE)) == PRESENT) return 0;
		first += n;
		count -= n;
	}
	return 1;
}

/* drop_object: one object's segments that are not written to. The dynamic linker's lock is held, so
 * none is unloaded meanwhile and nothing else can lie at its addresses. */
static int drop_object(struct dl_phdr_info *object, size_t size, void *data) {
	(void)size;
	if (object->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) return 0; /* the vDSO, which is the kernel's own */
	int pagemap = *(int *)data;
	uintptr_t page = sysconf(_SC_PAGESIZE);
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || (p->p_flags & PF_W)) continue;
		uintptr_t begin = (object->dlpi_addr + p->p_vaddr) / page;
		uintptr_t end = (object->dlpi_addr + p->p_vaddr + p->p_filesz + page - 1) / page;
		if (unwritten(pagemap, begin, end - begin)) madvise((void *)(begin * page), (end - begin) * page, MADV_DONTNEED);
	}
	return 0;
}

/* process_drop_pages: with the GIL, so that no thread forks a child that would find the dynamic
 * linker locked. */
void process_drop_pages(void) {
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0) return; /* after setuid it may be root's */
	dl_iterate_phdr(drop_object, &pagemap);
	close(pagemap);
}

void gosrv_drop_pages(gosrv_thread *t) {
	gil_take(t);
	process_drop_pages();
	gil_give(t);
}
