/* litmus.c: the shapes of memory order that transmit.c stands on (cgo/DESIGN.md, "Memory order"), with its own
 * orders, between two threads that run through the same cells. A count is how often the outcome was seen that must
 * not be. With weaker orders, the control, a machine may show it: then the test can see. */
#include "cgotest.h"

#include <pthread.h>
#include <string.h>

enum { CELLS = 4096, ROUNDS = 200, SPAN = 64, PATIENCE = 20000, APART = 16 }; /* APART words: a line of the cache for each */

struct cells {
	uint32_t x[CELLS * APART], y[CELLS * APART]; /* the words of a cell */
	uint32_t a[CELLS], b[CELLS];                 /* what the two threads have seen */
	int weak, there; /* there: arrivals, by which both set out in the same moment */
	pthread_barrier_t begin, end;
};

/* Store buffering: an owner offers and looks when the timer rings; the transmitter has the timer rung and looks for
 * offers. If neither sees the other, an offer sleeps. */
static void owner(struct cells *c, int i) {
	if (c->weak) {
		__atomic_store_n(&c->x[i * APART], 1, __ATOMIC_RELEASE);
		c->a[i] = __atomic_load_n(&c->y[i * APART], __ATOMIC_ACQUIRE);
		return;
	}
	__atomic_store_n(&c->x[i * APART], 1, __ATOMIC_SEQ_CST);
	c->a[i] = __atomic_load_n(&c->y[i * APART], __ATOMIC_SEQ_CST);
}

static void transmitter(struct cells *c, int i) {
	if (c->weak) {
		__atomic_store_n(&c->y[i * APART], 1, __ATOMIC_RELEASE);
		c->b[i] = __atomic_load_n(&c->x[i * APART], __ATOMIC_ACQUIRE);
		return;
	}
	__atomic_store_n(&c->y[i * APART], 1, __ATOMIC_SEQ_CST);
	c->b[i] = __atomic_load_n(&c->x[i * APART], __ATOMIC_SEQ_CST);
}

static int sleeps(struct cells *c, int i) { return c->a[i] == 0 && c->b[i] == 0; }

/* Message passing: whoever takes a batch by `state`, or finds one in the list, has the fields that were written before. */
static void gives(struct cells *c, int i) {
	*(volatile uint32_t *)&c->x[i * APART] = 1;
	__atomic_store_n(&c->y[i * APART], 1, c->weak ? __ATOMIC_RELAXED : __ATOMIC_RELEASE);
}

static void takes(struct cells *c, int i) {
	uint32_t offered = 1;
	c->a[i] = __atomic_compare_exchange_n(&c->y[i * APART], &offered, 2, 0, c->weak ? __ATOMIC_RELAXED : __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
	c->b[i] = *(volatile uint32_t *)&c->x[i * APART];
}

static int stale(struct cells *c, int i) { return c->a[i] == 1 && c->b[i] == 0; }

static const struct shape {
	const char *name;
	void (*first)(struct cells *, int), (*second)(struct cells *, int);
	int (*wrong)(struct cells *, int);
} shapes[] = {{"an offer sleeps", owner, transmitter, sleeps}, {"a batch is taken without its fields", gives, takes, stale}};

struct side {
	struct cells *cells;
	void (*step)(struct cells *, int);
};

/* meet: go on when both threads are here; one whose other has no processor gives up. */
static void meet(struct cells *c, int arrivals) {
	__atomic_add_fetch(&c->there, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < PATIENCE && __atomic_load_n(&c->there, __ATOMIC_RELAXED) < arrivals; i++) {}
}

static void *run(void *argument) {
	struct side *s = argument;
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&s->cells->begin);
		for (int i = 0; i < CELLS; i += SPAN) {
			meet(s->cells, 2 * (i / SPAN + 1));
			for (int k = i; k < i + SPAN; k++) s->step(s->cells, k);
		}
		pthread_barrier_wait(&s->cells->end);
	}
	return NULL;
}

const char *test_litmus(int number, int weak, int64_t *seen) {
	static struct cells c;
	if (number < 0 || number >= (int)(sizeof shapes / sizeof *shapes)) return NULL;
	const struct shape *shape = &shapes[number];
	struct side sides[2] = {{&c, shape->first}, {&c, shape->second}};
	pthread_t threads[2];
	c.weak = weak;
	pthread_barrier_init(&c.begin, NULL, 3);
	pthread_barrier_init(&c.end, NULL, 3);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, run, &sides[i]) != 0) return NULL;
	*seen = 0;
	for (int round = 0; round < ROUNDS; round++) {
		c.there = 0;
		memset(c.x, 0, sizeof c.x);
		memset(c.y, 0, sizeof c.y);
		pthread_barrier_wait(&c.begin);
		pthread_barrier_wait(&c.end);
		for (int i = 0; i < CELLS; i++) *seen += shape->wrong(&c, i);
	}
	for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&c.begin);
	pthread_barrier_destroy(&c.end);
	return shape->name;
}
