/* gosrv.h: all that Go sees of C: opaque handles and plain structs, no PyObject. Each function has its
 * contract: the thread it may run on, the GIL, what the caller lends, what it gets, how it fails. An attached
 * thread owns a gosrv_thread for life: the main thread, or a threading.Thread of gosrv_threads_start. */
#ifndef GOSRV_H
#define GOSRV_H
#include <stddef.h>
#include <stdint.h>
typedef struct gosrv_thread gosrv_thread;
typedef struct gosrv_outbox gosrv_outbox;
/* Outcome of a step of an application call (design: wsgi/DESIGN.md). */
enum {
	GOSRV_DONE = 0,   /* head and whole body are in out; the call is closed */
	GOSRV_LAST = 1,   /* the last piece; send it, then gosrv_call_finish */
	GOSRV_MORE = 2,   /* a piece; send it, then gosrv_call_next */
	GOSRV_FILE = 3,   /* head in out; the body is fd/file_off/file_len; then finish */
	GOSRV_GROW = 4,   /* out is too small: gosrv_call_next with `need` bytes */
	GOSRV_FAILED = 5, /* logged already, the call is closed */
	GOSRV_QUIT = 6,   /* as FAILED, because the worker was told to quit */
	GOSRV_HANDLED = 7, /* closed: the application has dealt with its client by gunicorn.socket */
};
/* Bits of the flags of gosrv_app_call, gosrv_call_next and gosrv_call_batch. */
enum {
	GOSRV_HTTPS = 1,     /* wsgi.url_scheme is https */
	GOSRV_SENT_ALL = 2,  /* next: Content-Length is reached; close if exhausted */
	GOSRV_CACHED_NEW = 4,  /* call: the cached environ's header block is another than before */
	GOSRV_PROXIED = 8,   /* call: the strings of a PROXY header follow the headers in desc */
	GOSRV_KEEP_GIL = 16, /* call: return with the GIL; the next crossing begins with it */
	GOSRV_BLOCKS = 32,   /* call: mem is an array of gosrv_block that hold the body */
	GOSRV_CHUNKED = 64,  /* batch: each piece becomes a chunk */
	GOSRV_SECURED = 128, /* call: the strings of a TLS session follow those */
	GOSRV_HTTP2 = 256,   /* call: a stream of HTTP/2: its weight, and on which one it depends, follow those */
	GOSRV_CACHED_SHIFT = 9, /* call: the bits from here on are the cached environ's number */
};
/* What gunicorn.socket is about to be used for (gosrvSocket): waited for; read from; to go on with it alone. Or a
 * question: what TLS has settled; the descriptor of a tunnel. */
enum { GOSRV_SOCKET_LOOK, GOSRV_SOCKET_READ, GOSRV_SOCKET_TAKE, GOSRV_SOCKET_SECURE, GOSRV_SOCKET_TUNNEL };
enum { GOSRV_SIG_DRAIN = 1, GOSRV_SIG_QUIT = 2 }; /* bits that gosrv_signals_run returns */
#define GOSRV_ABSENT 0xFFFFFFFFu   /* the length of a string of the request that is absent */
#define GOSRV_IN_EXTRA 0x80000000u /* in an offset: the string lies in `extra`, not in `head` */
#define GOSRV_HAS_LINE 0x80000000u /* in the length of a header's name: a hint lies above LINE_SHIFT, */
#define GOSRV_LINE_SHIFT 16        /* the number of a line that comes again and again */
#define GOSRV_CACHED 64             /* numbers of cached environs are 1 to this - 1; 0 is none */
#define GOSRV_SLOTS 10             /* strings at the start of desc, as environ.Slot has them */
#define GOSRV_BLOCK 65536          /* bytes of a gosrv_block */
#define GOSRV_ROUTE 96 /* bytes of a route's name that are kept */
typedef struct {
	uint32_t head_len, body_off, body_len; /* bytes of out */
	int32_t fd;                            /* GOSRV_FILE; of a connection that was taken over, once it is closed */
	const void *ref; uint64_t ref_len;     /* a piece left in Python's memory */
	int64_t total; uint64_t need; int64_t file_off, file_len; /* whole body, -1 unknown; GOSRV_GROW; GOSRV_FILE */
	void *handle; int64_t now; /* the live call, NULL when closed; CLOCK_MONOTONIC ns at the step's end */
	const void *notes; uint64_t notes_len; /* of a closed call: environ for the access log (request_environ.c) */
	uint32_t sent, iterates; uint64_t payload; /* batch: what of out has left; may be used; body in out */
	uint64_t ends; /* the connection ends with this answer */
	const char *route; uint64_t route_len; /* call: environ["gosrv.route"], as the application left it; lent until the next call */
	int64_t held; /* call: CLOCK_MONOTONIC ns at which the GIL was had, 0: it was kept from before */
} gosrv_result;
/* What gosrv_app_call is told of a request, beside its bytes. Those are arguments: Go may lend its memory as
 * such, but not by pointers inside of a struct. */
typedef struct {
	uint64_t stream;       /* 0, or the number of a body that still comes, for gosrvReadBody until the call is closed */
	int64_t body_len;
	uint64_t cap, head_len; /* of out; of head, with its empty line */
	int32_t base, headers; /* of gosrv_base_new; their number in desc */
	int32_t body_fd, conn_fd; /* -1, or a spool file that holds the body; what gunicorn.socket stands for */
	uint32_t flags;
} gosrv_request;
/* What hooks and the loop of a worker tell each other; each word has one writer and is read whole. */
typedef struct {
	int64_t notified;      /* Python: CLOCK_MONOTONIC ns of the last worker.notify(), 0: never */
	uint64_t max_requests; /* Python: 0 is no limit */
	uint64_t requests;     /* Go: begun so far */
} gosrv_word;
typedef struct { void *object; char *mem; } gosrv_block; /* a bytes object; its bytes */
#define GOSRV_OUTBOX 64 /* answers that the outbox holds at most */
typedef struct { const char *bytes; uint64_t len; int64_t error; } gosrv_unsent; /* what a socket has not taken; errno: and never will */

/* gosrv_worker_fd: the control channel of a forked worker.
 * thread:  any
 * GIL:     not needed
 * lends:   nothing
 * gives:   the descriptor, owned by the caller
 * fails:   -1: this process is no worker (it is the master)
 */
int gosrv_worker_fd(void);

/* gosrv_main_attach: the handle of the main thread, whose state the zygote left.
 * thread:  the process's main thread
 * GIL:     not needed
 * lends:   nothing
 * gives:   the handle, valid until the process ends
 * fails:   NULL: this process holds no interpreter
 */
gosrv_thread *gosrv_main_attach(void);

/* gosrv_signals_return: Go's start is over, before which sigaction() (process_signals.c) gave it few handlers.
 * thread:  any (where Go's first thread is the main one, that has its timer slack back then), as early after Go's start as can be
 * GIL:     not needed
 * lends:   nothing
 * gives:   1 in a worker, 0 in another process, which it leaves alone
 * fails:   never
 */
int gosrv_signals_return(void);

/* gosrv_signals_settle: give faults in Python code to faulthandler, Go's own to Go.
 * thread:  main, after gosrv_signals_return
 * GIL:     taken inside
 * lends:   nothing
 * gives:   nothing
 * fails:   never; without faulthandler the default action is left
 */
void gosrv_signals_settle(gosrv_thread *t);

/* gosrv_signals_run: run the Python signal handlers that are due.
 * thread:  main
 * GIL:     taken inside; not held on return
 * lends:   nothing
 * gives:   GOSRV_SIG_* bits since the last call
 * fails:   a handler that raises is logged
 */
uint32_t gosrv_signals_run(gosrv_thread *t);

/* gosrv_wakeup_fd: becomes readable when a signal has a Python handler to run.
 * thread:  any
 * GIL:     not needed
 * lends:   nothing
 * gives:   the reading end, kept by C; the caller reads it empty
 * fails:   -1 in a process without interpreter
 */
int gosrv_wakeup_fd(void);

/* gosrv_base_new: the constant part of environ for one listener.
 * thread:  attached
 * GIL:     taken inside
 * lends:   kv: n pairs, key and value NUL-terminated UTF-8, one after the other
 * gives:   an index >= 0 for gosrv_app_call, valid for life
 * fails:   -1: out of memory or more than 64 listeners
 */
int gosrv_base_new(gosrv_thread *t, const char *kv, int n);

/* gosrv_thread_result: where the calls of a thread leave their result, in C's memory.
 * thread:  any
 * GIL:     not needed
 * lends:   nothing
 * gives:   a pointer valid for life, overwritten by each step of a call
 * fails:   never
 */
gosrv_result *gosrv_thread_result(gosrv_thread *t);

/* gosrv_app_call: run application(environ, start_response) once.
 * thread:  attached
 * GIL:     taken inside; not held on return but with GOSRV_KEEP_GIL: one thread only, up to its next crossing, no waits
 * lends:   all but t until return; a call that goes on has copied mem, or holds its blocks. head, extra, desc: as
 *          environ.Packed has them; mem: the body, empty with a stream or a spool file
 * gives:   the thread's result; its handle and ref belong to C until next or finish
 * fails:   GOSRV_FAILED, the traceback logged; never leaves an exception set
 * cached:  a number that is not 0: base, https and headers are those of all calls with it since GOSRV_CACHED_NEW
 */
int gosrv_app_call(gosrv_thread *t, const gosrv_request *r, const char *head, const char *extra, const uint32_t *desc,
	const char *mem, char *out);

/* gosrv_worker_word: what hooks and the loop tell each other, without a crossing.
 * thread:  any
 * GIL:     not needed
 * lends:   nothing
 * gives:   a pointer valid for life; Go writes requests alone
 * fails:   never
 */
gosrv_word *gosrv_worker_word(void);

/* gosrv_blocks: drop the blocks of old and make new ones, of whatever content.
 * thread:  attached
 * GIL:     taken inside
 * lends:   old, made until return
 * gives:   one reference to each; where no other is held, the block may be written
 * fails:   the number made is less than wanted: out of memory
 */
int gosrv_blocks(gosrv_thread *t, const gosrv_block *old, int drops, gosrv_block *made, int wanted);

/* gosrv_gil_release: end what GOSRV_KEEP_GIL began.
 * thread:  the one of the call
 * GIL:     not held on return
 * lends:   nothing
 * gives:   nothing; does nothing if the GIL is not held
 * fails:   never
 */
void gosrv_gil_release(gosrv_thread *t);

/* gosrv_call_next: the next piece of a live call.
 * thread:  the one that began the call
 * GIL:     taken inside; not held on return
 * lends:   out until return
 * gives:   as gosrv_app_call; the ref of before is gone
 * fails:   as gosrv_app_call
 */
int gosrv_call_next(gosrv_thread *t, void *handle, uint32_t flags, char *out, uint64_t cap);

/* gosrv_call_batch: the pieces that follow in a live call whose framing is known (request_batch.c).
 * thread:  the one that began the call
 * GIL:     taken inside; not held on return
 * lends:   out until return. Its first `end` bytes wait to be sent: another thread may send them, and those put
 *          behind them, until then. left: bytes that Content-Length allows, -1 without; never 0
 * gives:   as gosrv_call_next; body_off is 0 and body_len ends the framed bytes of out
 * fails:   as gosrv_app_call, once all before it is sent; if not, the worker is to quit
 */
int gosrv_call_batch(gosrv_thread *t, void *handle, uint32_t flags, char *out, uint64_t cap, uint64_t end, int64_t left);

/* gosrv_call_finish: close() the iterable once and drop all of the call.
 * thread:  the one that began the call
 * GIL:     taken inside; not held on return
 * lends:   nothing
 * gives:   nothing; handle and ref are gone
 * fails:   an exception of close() is logged
 */
void gosrv_call_finish(gosrv_thread *t, void *handle);

/* gosrv_outbox_new: room for finished answers that are to be sent together (outbox.c).
 * thread:  any
 * GIL:     not needed
 * lends:   nothing
 * gives:   an empty outbox, for the life of the process; whoever leads the loop may use it
 * fails:   NULL: out of memory
 */
gosrv_outbox *gosrv_outbox_new(void);

/* gosrv_outbox_put: keep a finished answer.
 * thread:  the one that leads the loop
 * GIL:     not needed
 * lends:   bytes until return
 * gives:   1: a copy is kept until gosrv_outbox_send; after 1 ms another thread sends it meanwhile
 * fails:   0: no room, or no such thread; nothing is kept
 */
int gosrv_outbox_put(gosrv_outbox *o, int fd, const char *bytes, uint64_t len);

/* gosrv_outbox_send: send all that is kept, as far as the sockets take it.
 * thread:  the one that leads the loop
 * GIL:     not needed
 * lends:   nothing
 * gives:   what is left of each answer, in the order of put. It and its bytes are C's, until the next put
 * fails:   never: a broken socket has its errno in `error`
 */
const gosrv_unsent *gosrv_outbox_send(gosrv_outbox *o);

/* gosrv_threads_start: start n daemon threading.Threads that enter Go.
 * thread:  main
 * GIL:     taken inside
 * lends:   name: NUL-terminated prefix of the threads' names
 * gives:   each thread calls gosrvThreadEnter(slot, handle), slot from 1
 * fails:   -1, the traceback logged
 */
int gosrv_threads_start(gosrv_thread *t, int n, const char *name);

/* gosrv_stacks: all Python stacks to a file, if *turn could be made 1 from 0; else a look at the GIL only.
 * thread:  any that has no gosrv_thread
 * GIL:     gil: waited for, for ever if need be, so that no stack changes; else not taken
 * lends:   turn until return
 * gives:   the file, kept by C
 * fails:   -1: no faulthandler, or the application has its signal; -2: not its turn
 */
int gosrv_stacks(int gil, int32_t *turn);

/* gosrv_two_counts: whether this Python counts references in two parts (free-threaded builds).
 * thread:  any, once there is an interpreter
 * GIL:     not needed
 * lends:   nothing
 * gives:   0 or 1
 * fails:   never
 */
int gosrv_two_counts(void);

/* gosrv_heap_trim: let the C library's allocator give free memory back to the system. Takes milliseconds.
 * thread:  any
 * GIL:     not needed
 * lends:   nothing
 * gives:   whether there was any; always 0 where the allocator gives it back by itself (musl)
 * fails:   never
 */
int gosrv_heap_trim(void);

/* gosrv_fd_table: mark sockets that a forked child of the application must close.
 * thread:  any; one writer a descriptor
 * GIL:     not needed
 * lends:   nothing
 * gives:   the table of one byte a descriptor, *size entries, C heap, for life
 * fails:   NULL: no memory for the table
 */
uint8_t *gosrv_fd_table(int *size);

/* gosrv_counters: objects that calls took and dropped, and how often they entered C, for tests.
 * thread:  attached
 * GIL:     taken inside, so that all are of one moment
 * lends:   nothing
 * gives:   the counts since the process began
 * fails:   never
 */
void gosrv_counters(gosrv_thread *t, uint64_t *taken, uint64_t *dropped, uint64_t *crossings);

/* gosrv_getenv: a variable of the environment as the application has left it, unlike Go's.
 * thread:  attached
 * GIL:     taken inside: os.environ changes the environment under it
 * lends:   name, out until return
 * gives:   the value's length; out holds that much of it as cap has room for
 * fails:   -1: not set
 */
int64_t gosrv_getenv(gosrv_thread *t, const char *name, char *out, uint64_t cap);

/* gosrv_logs_reopen: hand Python's loggers the new error log.
 * thread:  main
 * GIL:     taken inside
 * lends:   fd until return; Python duplicates it
 * gives:   nothing
 * fails:   an exception is logged to the old file
 */
void gosrv_logs_reopen(gosrv_thread *t, int fd);

/* gosrv_logs_route: who writes which log lines, as the application has left the loggers.
 * thread:  main
 * GIL:     taken inside
 * lends:   python, level
 * gives:   a SOCK_SEQPACKET end for what Python is to log; *python, *level: pyshim's logs.route
 * fails:   -1: Go writes all lines
 */
int gosrv_logs_route(gosrv_thread *t, uint32_t *python, int *level);

/* gosrv_drop_pages: unmap the code and constants of the program and its libraries from this
 * process; what is used comes back from the files' pages in memory when it is touched.
 * thread:  t's
 * GIL:     taken inside
 * lends:   nothing
 * gives:   nothing
 * fails:   never; where the kernel does not tell which pages are the files', nothing is unmapped
 */
void gosrv_drop_pages(gosrv_thread *t);

/* gosrv_refork: fork a process that loads library and is a zygote, for a master behind control.
 * thread:  main
 * GIL:     taken inside
 * lends:   control, library: descriptors, until return
 * gives:   nothing
 * fails:   -errno of the fork; what the child fails at it tells the master
 */
int gosrv_refork(gosrv_thread *t, int control, int library);

/* gosrv_exit: end the interpreter as `python` would, without finalising it.
 * thread:  main
 * GIL:     taken inside
 * lends:   nothing
 * gives:   never returns
 * fails:   after deadline_ms the process ends all the same
 */
void gosrv_exit(gosrv_thread *t, int code, int deadline_ms);

#endif
