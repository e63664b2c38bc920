/* process_heap_holes.c: what malloc has free between its blocks is taken out of use before workers are
 * forked from a preloaded application. A worker that allocates there copies a page that it
 * would share for a few bytes; with the holes gone it allocates on pages of its own, densely.
 * On Django with four workers that is 126 KB taken once for 0.6 MiB less in each process. */
#define _GNU_SOURCE
#include "process.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGEST = 120 << 10, SMALLEST = 24, FINE = 600 };

typedef struct {
	size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
} counts2; /* struct mallinfo2, glibc 2.33 */

typedef struct {
	int arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
} counts; /* struct mallinfo */

/* free_bytes: all that malloc has free, and how much of it lies behind the last block.
 * 0 where the allocator is none of glibc's. */
static size_t free_bytes(size_t *behind) {
	counts2 (*two)(void) = (counts2 (*)(void))dlsym(RTLD_DEFAULT, "mallinfo2");
	counts (*one)(void) = (counts (*)(void))dlsym(RTLD_DEFAULT, "mallinfo");
	if (two != NULL) {
		counts2 c = two();
		*behind = c.keepcost;
		return c.fordblks;
	}
	if (one == NULL) return *behind = 0;
	counts c = one();
	*behind = (unsigned)c.keepcost;
	return (unsigned)c.fordblks;
}

/* process_fill_holes: large blocks first, so that small ones come out of what is left.
 * What lies at or above top is no hole: new memory, or a mapping of its own. */
void process_fill_holes(void) {
	size_t behind, left = free_bytes(&behind);
	if (left <= behind) return;
	left -= behind;
	char *top = (char *)sbrk(0) - behind;
	left += left / 2 + LARGEST; /* blocks that threads' caches hold are not counted as free */
	for (size_t size = LARGEST; size >= SMALLEST; size = size > FINE ? size - size / 8 : size - 16) {
		while (left > size) {
			char *p = malloc(size); /* kept for good: that is the purpose */
			if (p == NULL || p >= top) {
				free(p);
				break;
			}
			left -= size;
		}
	}
}
