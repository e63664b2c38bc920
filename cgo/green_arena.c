/* green_arena.c: from CPython 3.11 on the frames of a greenlet lie in a block of 16 KiB that Python gets by mmap and
 * gives back by munmap. With the page faults that is half of what a small request costs, so some blocks are kept. */
#include "green.h"

enum { FRAMES = 16 << 10, KEPT = 1024 };

/* Python's PyObjectArenaAllocator. */
typedef struct {
	void *context;
	void *(*alloc)(void *context, size_t size);
	void (*free)(void *context, void *block, size_t size);
} arena_allocator;

static arena_allocator plain;
static void *kept[KEPT]; /* guarded by the GIL, as all that allocates arenas is */
static int used;

static void *arena_alloc(void *context, size_t size) {
	(void)context;
	return size == FRAMES && used > 0 ? kept[--used] : plain.alloc(plain.context, size);
}

static void arena_free(void *context, void *block, size_t size) {
	(void)context;
	if (size == FRAMES && used < KEPT)
		kept[used++] = block;
	else
		plain.free(plain.context, block, size);
}

/* green_keep_frames: from here on. What was allocated before is freed as it came. */
void green_keep_frames(void) {
	arena_allocator ours = {NULL, arena_alloc, arena_free};
	if (plain.alloc != NULL) return;
	py.PyObject_GetArenaAllocator(&plain);
	py.PyObject_SetArenaAllocator(&ours);
}

/* green_give_frames: nothing has run for a while. */
void green_give_frames(void) {
	while (used > 0) plain.free(plain.context, kept[--used], FRAMES);
}
