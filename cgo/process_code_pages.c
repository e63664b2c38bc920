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

enum { BATCH = 512, WINDOW = 16 };

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

/* is_ours: whether this function is the object's: the program, or the library that a Python loads. */
static int is_ours(const struct dl_phdr_info *object) {
	uintptr_t here = (uintptr_t)is_ours - object->dlpi_addr;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && here >= p->p_vaddr && here - p->p_vaddr < p->p_memsz) return 1;
	}
	return 0;
}

/* confine: from Linux 6.18 on a fault maps the whole folio of the page cache in which its page lies, up to
 * 2 MiB, where it was 64 KiB before: one function that is called would map half of the program. No
 * fault maps more than one area, so the pages from first on are made areas of WINDOW pages, as far as the start has touched them,
 * by a flag that says nothing of pages which no core dump has anyway. */
static void confine(int pagemap, uintptr_t first, uintptr_t end, uintptr_t page) {
	uint64_t pages[WINDOW], present = 0;
	for (uintptr_t at = (first + WINDOW - 1) / WINDOW * WINDOW; at + WINDOW <= end; at += 2 * WINDOW) {
		if (pread(pagemap, pages, sizeof pages, (off_t)(at * sizeof *pages)) != sizeof pages) return;
		for (int i = 0; i < WINDOW; i++) present |= pages[i];
		if ((present & PRESENT) && madvise((void *)(at * page), WINDOW * page, MADV_DONTDUMP) != 0) return;
		present = 0;
	}
}

/* drop_object: one object's segments that are not written to. The dynamic linker's lock is held, so
 * none is unloaded meanwhile and nothing else can lie at its addresses. */
static int drop_object(struct dl_phdr_info *object, size_t size, void *data) {
	(void)size;
	if (object->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) return 0; /* the vDSO, which is the kernel's own */
	int pagemap = *(int *)data;
	uintptr_t page = sysconf(_SC_PAGESIZE);
	int ours = is_ours(object); /* Python's code is hot, and better off with few large pages */
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || (p->p_flags & PF_W)) continue;
		uintptr_t begin = (object->dlpi_addr + p->p_vaddr) / page;
		uintptr_t end = (object->dlpi_addr + p->p_vaddr + p->p_filesz + page - 1) / page;
		if (!unwritten(pagemap, begin, end - begin)) continue;
		if (ours) confine(pagemap, begin, end, page);
		madvise((void *)(begin * page), (end - begin) * page, MADV_DONTNEED);
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
