/* leaf.h: what Go and C share in a worker whose main thread has an event loop of Python's own. Go's epoll set is
 * one descriptor in that loop, and Go is entered by leaf calls only: between entering Go and coming back no Python
 * runs, so no stack is switched with a frame of Go's on it. All leaf calls come from the main thread, with the GIL;
 * Go calls nothing that takes it. What Go tells of strings lies in C's memory until the next turn. */
#ifndef GOSRV_LEAF_H
#define GOSRV_LEAF_H
#include "gosrv.h"

enum { LEAF_READY = 128, LEAF_REFS = 256 };
/* Room for the strings of a turn's requests: the largest head, with all that is joined or decoded of it, fits. */
enum { LEAF_TEXT = 8 << 20, LEAF_WORDS = 256 << 10 };

/* What comes of a piece: it is with the kernel; it is lent to Go until a turn wakes the request; nobody wants it;
 * it is with the kernel, and no other one is wanted. */
enum { LEAF_SENT, LEAF_WAIT, LEAF_GONE, LEAF_ENOUGH };

/* What C is to do after a turn. */
enum {
	LEAF_SIGNALS = 1, /* run the signal handlers that are due */
	LEAF_ENDED = 2,   /* the worker has come to its end: the loop is to return */
	LEAF_PAGES = 4,   /* gosrv_drop_pages */
	LEAF_RELAX = 8,   /* nothing has run for a while: kept memory may go */
	LEAF_EXITS = 16,  /* those to be thrown out are so because the worker ends, not because they are late */
	LEAF_REOPEN = 32, /* log_fd is the new error log; closed afterwards */
};

/* A request under way: its place in a table on both sides, and a number that tells it from those there before. */
typedef struct { uint32_t place, number; } leaf_ref;

/* A request that is complete, or as complete as it need be. Its strings begin there in the turn's text and words. */
typedef struct {
	leaf_ref ref;
	uint32_t head, extra, desc, unused;
	gosrv_request request;
} leaf_ready;

/* What one turn of Go's loop has brought. */
typedef struct {
	uint32_t signals; /* C's: GOSRV_SIG_* since the last turn */
	uint32_t chores;
	int32_t ready, wakes, throws, log_fd;
	char *text;
	uint32_t *words;
	leaf_ready ready_list[LEAF_READY];
	leaf_ref wake_list[LEAF_REFS], throw_list[LEAF_REFS];
} leaf_turn;

/* gosrv_hub_run: run Python's event loop, with Go's set in it, until a turn says LEAF_ENDED.
 * thread:  main
 * GIL:     taken inside; held by the loop while it calls back
 * lends:   epoll_fd, the set; its number stays in the loop until return
 * gives:   each turn calls gosrvLeafTurn
 * fails:   -1: the loop has ended by itself, or raised; the traceback is logged
 */
int gosrv_hub_run(gosrv_thread *t, int epoll_fd);

#endif
