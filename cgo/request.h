/* request.h: what the files request_*.c share: one call of the application, the objects that it
 * gets, and the caches that make them cheap. Not seen by Go. */
#ifndef GOSRV_REQUEST_H
#define GOSRV_REQUEST_H

#include "gosrv.h"
#include "process.h"
#include "pyapi.h"
#include "transmit.h"

#include <string.h>

enum { MAX_LISTENERS = 64 };

typedef struct gosrv_call gosrv_call;
struct green;

/* Stands behind start_response, write and early_hints: they are bound to it, and it
 * outlives the call when the application keeps one of them (call is NULL then). */
typedef struct {
	PyObject base;
	gosrv_call *call;
} request_object;

/* wsgi.input over a complete body, or over a stream. mem is Go's (lent), own's or map's; with
 * blocks there is none. */
typedef struct {
	PyObject base;
	const char *mem;
	Py_ssize_t len, pos;
	char *own;  /* malloc'ed copy, when the call outlives the lending */
	const gosrv_block *blocks; /* NULL, or what holds the body: Go's or own_blocks */
	gosrv_block *own_blocks;
	void *map;  /* mmap of the spool file */
	int map_fd; /* -1, or the spool file, mapped at the first read */
	uint64_t stream; /* 0, or Go's number for a body that still comes; own holds what has */
	Py_ssize_t room; /* of own, for a stream */
	int ended, fault, busy; /* no more comes; errno instead; a thread waits for Go */
	struct green *green; /* the call runs in a greenlet: reads wait there */
} input_object;

/* gunicorn.socket: becomes a real socket.socket (of a dup) at its first use. */
typedef struct {
	PyObject base;
	PyObject *real;   /* NULL: not used yet */
	gosrv_call *call; /* NULL: it is over */
	int fd;           /* the connection, Go's; -1 without a call */
	int used, taken;  /* asked for more than an address; it is the application's alone */
} socket_object;

/* The objects of a request that the application may keep. A thread uses one set for
 * all its requests as long as nobody else holds a reference to a part of it. */
typedef struct {
	request_object *request;
	PyObject *start_response, *write, *early_hints, *input, *socket;
} call_objects;
enum { CALL_OBJECTS_REFS = 6 };

struct packed;
struct gosrv_call {
	gosrv_thread *thread;
	const struct packed *request; /* lent by Go for the first crossing; NULL after the application has returned from it */
	call_objects objects;
	int borrowed; /* objects are the thread's own */
	PyObject *result, *iterator;
	PyObject *piece;      /* lent to Go: gosrv_result's ref */
	PyObject *next_item;  /* the iterator's next item, asked for already */
	PyObject *failure[3]; /* what its next() has raised, to be told when all else is sent */
	PyObject *environ; /* kept for the access log only, NULL otherwise */
	char *head; /* packed head (gosrv.h: app_call), made by start_response */
	uint32_t head_len, head_cap;
	const char *method, *uri; /* lent, for the log; copied into where when the call outlives */
	uint32_t method_len, uri_len;
	char *where;
	int started, head_sent, kind, fd;
	Py_ssize_t index;
	struct green *green; /* NULL: the call runs in crossings of a thread (green_call.c) */
	gosrv_call *next;
};

enum { CACHED_TEXT = 64, GOSRV_NAMES = 512 };

/* A whole environ to be copied: a listener's base, one header block, and the slots of the
 * request that it was made for; only slots that differ from those are set in a copy. It
 * holds the thread's objects of the epoch in which it was bound. */
typedef struct {
	PyObject *environ;
	uint32_t epoch;
	struct {
		uint32_t len;
		char text[CACHED_TEXT];
	} slots[GOSRV_SLOTS];
} cached_environ;

/* The same for requests that have the same header names, in whatever order: the values that
 * differ are set, too. */
enum { SHAPES = 8, SHAPE_HEADERS = 32, NAME_WORDS = GOSRV_NAMES / 64 };
typedef struct {
	cached_environ kept;
	uint64_t names[NAME_WORDS]; /* a bit for each name's number */
	uint32_t missed;            /* hash of the names that were looked for here last, in vain */
	int base, https, n;
	uint8_t place[GOSRV_NAMES];     /* of a name's value, for the names that it has */
	PyObject *value[SHAPE_HEADERS]; /* in kept.environ */
} shape;

struct gosrv_thread {
	PyThreadState *state;
	int holding; /* the GIL, between two calls (GOSRV_KEEP_GIL) */
	int slot;
	call_objects objects;           /* request == NULL: lent to a suspended call */
	uint32_t epoch;                 /* counts the thread's sets of objects */
	int holders;                    /* dictionaries that hold the present set */
	PyObject *bases[MAX_LISTENERS]; /* copies of the listeners' bases with objects in them */
	cached_environ cached[GOSRV_CACHED];
	shape shapes[SHAPES];
	char *notes;                    /* of the call that was closed last: gosrv_result */
	uint64_t notes_cap;
	char route[GOSRV_ROUTE];        /* of the call that was begun last: gosrv_result */
	int calling;                    /* inside the application, as against a signal handler's call */
	gosrv_call *current;            /* the call of this crossing; NULL outside of one, and Go's side is another's */
	int ends;                       /* a hook wants the connection to end with this call's answer */
	int guest;                      /* a thread is in Go for that call: write() or early_hints() */
	gosrv_call *unused;
	gosrv_result result;
	batch batch; /* of the call that is in gosrv_call_next */
};

extern int child_turned_away; /* what ends the forked child's request is that it cannot answer it */
extern uint64_t steps; /* crossings of calls; guarded by the GIL */

/* hash_bytes: eight bytes a step, the bits of fold set in each. Need not be strong: the tables
 * are bounded, and what is found is compared. */
static inline uint32_t hash_bytes(const char *p, size_t n, uint64_t fold) {
	uint64_t h = n * 0x9E3779B97F4A7C15u, word;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = (h ^ (word | fold)) * 0xD6E8FEB86659FD93u;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, p, n);
	h = (h ^ (word | fold)) * 0xD6E8FEB86659FD93u;
	return (uint32_t)(h >> 32);
}

/* green_wait.c: a leaf call is under way (leaf.h), from which nothing enters Python. leaf_broken does not return. */
extern int leaf_inside;
void leaf_broken(const char *what) __attribute__((noreturn, cold));

/* gil_take, gil_give: around all that a crossing does with Python. */
static inline void gil_take(gosrv_thread *t) {
	if (leaf_inside) leaf_broken("Python is entered");
	if (!t->holding) py.PyEval_RestoreThread(t->state);
	t->holding = 0;
}
static inline void gil_give(gosrv_thread *t) { t->state = py.PyEval_SaveThread(); }

/* request_string: where a string of the packed request begins (gosrv.h: desc). */
static inline const char *request_string(const char *head, const char *extra, uint32_t off) {
	return off & GOSRV_IN_EXTRA ? extra + (off & ~GOSRV_IN_EXTRA) : head + off;
}

/* request_objects.c: heap types; -1 with an exception on failure */
int objects_init(void);
int call_objects_new(call_objects *b);
void call_objects_drop(call_objects *b);
int call_objects_are_idle(const call_objects *b, int holders);
int is_request(PyObject *o);

/* request_input.c */
extern PyMethodDef input_methods[];
PyObject *input_iter(PyObject *self);
PyObject *input_next(PyObject *self);
void input_lend(input_object *in, const char *mem, int fd, int64_t len, uint64_t stream);
void input_lend_blocks(input_object *in, const gosrv_block *blocks, int64_t len);
int input_own(input_object *in);
void input_detach(input_object *in);

/* request_input_blocks.c */
PyObject *blocks_give(const gosrv_block *blocks, Py_ssize_t pos, Py_ssize_t n);
gosrv_block *blocks_own(const gosrv_block *blocks, Py_ssize_t len);
void blocks_disown(gosrv_block *own, Py_ssize_t len);

/* request_input_stream.c: what request_input.c needs for a body that still comes */
int stream_ahead(input_object *in, Py_ssize_t want);
void stream_detach(input_object *in);
int stream_to_blame(input_object *in);

/* request_environ.c; notes_take: what the access log shows of environ, as the application leaves it */
extern PyObject *noted_keys;
void notes_take(gosrv_call *c);
void route_take(gosrv_thread *t, PyObject *environ, Py_ssize_t before);
int environ_init(void);
typedef struct packed {
	const char *head, *extra;
	const uint32_t *desc;
	int headers;
	uint32_t flags;
	uint64_t head_len;
} packed; /* one request as environ.Packed left it */
typedef struct {
	PyObject *key, *value;
	int name;  /* number of the key, -1: it is the item's own */
	int owned; /* the value is */
} item;        /* one header */
int item_of(const packed *p, const uint32_t *h, item *i);
void item_drop(const item *i);
PyObject *environ_build(PyObject *base, const packed *p);
int environ_set_items(PyObject *d, const packed *p, const item *items);
int environ_set(PyObject *d, PyObject *key, const char *p, uint32_t n);
int environ_set_slots(PyObject *d, const packed *p);
extern PyObject *slot_keys[GOSRV_SLOTS];
int environ_bind(PyObject *environ, const call_objects *b);
int environ_of_stream(PyObject *environ, const packed *p, PyObject *request);

/* request_start_response.c: functions of the module _gosrv for hooks */
PyObject *request_head(PyObject *module, PyObject *start_response);
PyObject *request_connection(PyObject *module, PyObject *start_response);
PyObject *request_close_connection(PyObject *module, PyObject *start_response);

/* request_environ_cache.c: environ_build by way of the thread's cached environ of that number, or of its shapes; bound
 * to the thread's objects */
PyObject *environ_by_number(gosrv_thread *t, int base, int number, const packed *p);
PyObject *shape_environ(gosrv_thread *t, int base, const packed *p);

/* request_str_cache.c: a str for latin-1 bytes, from a cache of hot values; counted as taken */
PyObject *value_str(const char *p, uint32_t n);
/* and the item of the line with that number (0: none), if it is the one of these bytes; its value
 * is lent until lines_leave, or for the moment */
void lines_use(void);
void lines_leave(void);
int line_find(uint32_t number, const char *p, uint32_t name_len, uint32_t value_at, uint32_t value_len, item *i);
void line_keep(uint32_t number, const char *p, uint32_t name_len, uint32_t value_at, uint32_t value_len, const item *i);

/* request_socket.c. socket_end: the request is over: of a connection that was taken over, the
 * descriptor that is left, which is the caller's; -1 for none. socket_handled: the exception that is set
 * says that the application has dealt with its client by itself. */
extern PyMethodDef socket_methods[];
PyObject *socket_getattro(PyObject *self, PyObject *name);
void socket_lend(socket_object *s, gosrv_call *c, int fd);
int socket_end(socket_object *s);
void socket_free(socket_object *s);
int socket_used(const gosrv_call *c);
int socket_taken(const gosrv_call *c);
int socket_handled(const gosrv_call *c);

/* guest_enter, guest_leave: around a call of Go, without the GIL. The thread is not always the call's:
 * its state is its own. */
PyThreadState *guest_enter(gosrv_thread *t);
void guest_leave(gosrv_thread *t, PyThreadState *state);

/* request_start_response.c: start_response, write, early_hints, and of a stream of HTTP/2 send_trailers */
extern PyMethodDef start_response_def, write_def, early_hints_def, send_trailers_def;

/* request_answer.c */
enum { KIND_LIST, KIND_ITERATOR, KIND_FILE };
int call_classify(gosrv_call *c);
int call_step(gosrv_call *c, uint32_t flags, char *out, uint64_t cap, gosrv_result *res);
int call_outlive(gosrv_call *c, int state, gosrv_result *res);
extern const char *const not_bytes;

/* request_batch.c: as call_step, of an iterator; patient: its pieces may wait */
int batch_step(gosrv_call *c, int patient, uint32_t flags, gosrv_result *res);
char *chunk_line(char *at, uint64_t n); /* the size line of a chunk, as http1.AppendChunkHeader writes it; its end. At most 18 bytes */
int failure_raise(gosrv_call *c); /* 1: what was kept is the exception that is set */

/* green_call.c: what a call does that runs in a greenlet, in place of a crossing. write: -1 with an exception. hints: 0: invalid,
 * -1 with an exception. socket: as gosrvSocket. read: as gosrvReadBody; -EINTR with an exception that was thrown in. */
int green_write(gosrv_call *c, PyObject *data, char *p, Py_ssize_t n);
int green_hints(gosrv_call *c, char *head, uint32_t head_len);
int64_t green_socket(gosrv_call *c, int use, char *buf, uint64_t room);
int64_t green_read(struct green *g, uint64_t stream, char *to, uint64_t room);
int green_may_enter(void);
int green_ended_by(const gosrv_call *c); /* the exception that is set has ended the greenlet: no fault */
void green_keep_notes(gosrv_call *c);
void green_ends(gosrv_call *c); /* the connection is to end with the answer */

/* request_call.c. call_begin: the call of a request and the environ for it, NULL without memory, or with an exception. */
gosrv_call *call_begin(gosrv_thread *t, const gosrv_request *r, const packed *request, const char *mem, struct green *g, PyObject **environ);
void call_close(gosrv_call *c);
int call_failed(gosrv_call *c);                   /* the exception that is set, or a logged fault, ends it */
int call_wrong(gosrv_call *c, const char *what); /* call_fault and the end */
int64_t monotonic_now(void);                   /* CLOCK_MONOTONIC ns */
void call_report(gosrv_call *c);               /* log and clear the exception that is set */
void call_fault(gosrv_call *c, const char *what); /* log a wrong application */
void leave_if_child(void);
void guest_await(gosrv_thread *t); /* until no thread is in Go for the thread's call */
void call_returned(gosrv_thread *t); /* both, after the application has run: nothing else of the call is touched before */

/* exports of Go (export.go) */
extern int gosrvWrite(int slot, uint64_t sent, uint64_t end, uint64_t payload, char *head, uint32_t head_len,
	char *data, uint64_t len);
extern int gosrvEarlyHints(int slot, char *head, uint32_t head_len);
extern int64_t gosrvReadBody(uint64_t stream, char *buf, uint64_t cap);
extern int64_t gosrvSocket(int slot, int use, char *buf, uint64_t cap);

#endif
