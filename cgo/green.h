/* green.h: what the files green_*.c share: requests that run in greenlets (worker classes gevent and eventlet), on the
 * main thread. Not seen by Go. */
#ifndef GOSRV_GREEN_H
#define GOSRV_GREEN_H

#include "leaf.h"
#include "request.h"

/* What the shim's adaptor of the event loop gives (pyshim: green). exit_class: the exception by which a greenlet is ended. */
typedef struct {
	PyObject *run, *park, *getcurrent, *spawn, *throw, *later, *finish, *exit_class;
} hub_calls;
extern hub_calls hub;

/* A request in its greenlet: what outlives the call's end, up to Go's. */
typedef struct green {
	leaf_ref ref;
	gosrv_call *call;    /* NULL: it is closed */
	PyObject *environ;   /* until the application is called */
	PyObject *greenlet;  /* the request's own; borrowed: it lives as long as this does */
	PyObject *waiting;   /* who waits for room in the socket; borrowed from the one that waits */
	PyObject *reading;   /* who waits for the body */
	int thrown;          /* Go has asked for its end */
	int ends;            /* a hook wants the connection to end with the answer */
	char *head;          /* a copy of the request's, where hooks look at it */
	packed request;      /* of that copy */
	char *notes;         /* environ for the access log */
	uint64_t notes_len;
	char *route;         /* environ["gosrv.route"] */
	uint64_t route_len;
	int64_t began;       /* CLOCK_MONOTONIC ns; 0: it has not */
	struct green *next;
} green;

extern int leaf_inside;     /* a leaf call is under way */

/* LEAF: one leaf call. */
#define LEAF(call) (leaf_inside = 1, (call), leaf_inside = 0)

/* green_park: the current greenlet waits until green_wake finds it in *place. -1 with an exception that was thrown in. */
int green_park(PyObject **place);
void green_wake(PyObject **place);

/* green_begin: a greenlet for a request, which runs up to its first wait. */
void green_begin(const leaf_ready *q, const leaf_turn *turn);
green *green_find(leaf_ref ref);

/* green_may_enter: 0 with an exception, where Go must not be entered: in a forked child, or on another thread. */
int green_may_enter(void);

/* green_arena.c */
void green_keep_frames(void);
void green_give_frames(void);

/* exports of Go (export_leaf.go). A negative number is an errno; EAGAIN: wait for a turn to wake the request. */
extern void gosrvLeafTurn(leaf_turn *t);
extern int gosrvLeafAnswer(uint32_t place, uint32_t number, int state, gosrv_result *res, char *out);
extern int64_t gosrvLeafBody(uint32_t place, uint32_t number, uint64_t stream, char *to, uint64_t room);
extern int64_t gosrvLeafSocket(uint32_t place, uint32_t number, int use, char *buf, uint64_t cap);
extern int gosrvLeafHints(uint32_t place, uint32_t number, char *head, uint32_t head_len);
extern void gosrvLeafEnd(uint32_t place, uint32_t number, int state, gosrv_result *res, char *head);

#endif
