/* process.h: what the files process_*.c share: the zygote, the worker's start and end, forks,
 * signals; and the ways into this process, cgo/zygote's constructor, and cgo/library where the
 * process is the user's own python. Not seen by Go. */
#ifndef GOSRV_PROCESS_H
#define GOSRV_PROCESS_H

#include "gosrv.h"
#include "pyapi.h"

#include <signal.h>

/* What the shim's worker object gives (pyshim: worker.Worker). */
typedef struct {
	PyObject *application, *handle_exception, *handle_fault, *file_wrapper, *sendfile_range,
		*open_socket, *base_environ, *shutdown, *start_threads, *leave_child,
		*reopen_logs, *log_route, *enable_faults, *last_words, *refork;
	int hooked; /* hooks look at the request's head */
} shim_calls;

extern shim_calls shim;
extern gosrv_thread main_thread;
extern int is_child;                      /* set in a forked child of the application */
extern volatile uint32_t signal_requests; /* GOSRV_SIG_* from Python handlers, read once */
extern volatile int quitting;             /* a handler asked to quit; stays set */

/* process_main: run as zygote if the environment says so (see cmd/gosrv/DESIGN.md).
 * Returns in the master at once, in a worker when its application is imported; never in
 * the zygote. argv is the process's argument area, used for titles. */
void process_main(int argc, char **argv);

/* process_become: be the user's own python, which then loads the library of descriptor 5 and
 * enters process_library. Returns only on failure, with errno. */
int process_become(const char *python);

/* process_library: run as zygote in the python that has loaded this library, with the GIL
 * held, on its main thread. start_go lets Go's runtime begin; it is called in a worker whose
 * application is imported. trouble: NULL, or why that will not do. Never returns. */
void process_library(int argc, char **argv, const char *trouble, void (*start_go)(void));

/* process_shim: the shim's control loop; returns in workers only. */
void process_shim(int control, int shim_fd);

/* process_fork: 1 in a new process that is the master's child, 0 here, -1 with errno. With the GIL. */
int process_fork(void);

/* process_continue_as_zygote: run as zygote in a child of a worker, in which another copy of this code has
 * run Go, with the GIL held. area: where titles go. carry_on: the shim's, which carries the loop on.
 * trouble, start_go: as in process_library. Never returns. */
void process_continue_as_zygote(int control, char *area, unsigned long room, void *carry_on, const char *trouble, void (*start_go)(void));

/* process_pass_over_signals: nothing comes of the signals that reach the whole process group. By a handler, in
 * place of which exec puts the default: what is ignored would be so in programs that hooks start, too. The shim gives
 * workers their own. */
void process_pass_over_signals(void);

/* process_end_with_master: from here on the kernel kills this process when the master dies, at whatever
 * it is; ends it if that has happened. For a zygote, whose channel is `control`: only between two orders does it read that. */
void process_end_with_master(int control);

/* process_fail: tell the master why there is no interpreter, and end. */
void process_fail(int control, const char *what, const char *detail) __attribute__((noreturn));

/* process_title_area: where titles go: argv is the process's argument area. */
void process_title_area(int argc, char **argv);

/* process_title_room: that area, to be handed on. */
char *process_title_room(unsigned long *size);
void process_title_at(char *area, unsigned long size);

/* process_title: overwrite the argument area; the master left room for it. */
void process_title(const char *text);

/* process_enter_worker: from here on this process is the worker behind fd. */
void process_enter_worker(int fd);

/* process_fill_holes: see process_heap_holes.c; call it when the application is loaded and nothing forked. */
void process_fill_holes(void);

/* process_drop_pages: see process_code_pages.c. With the GIL. */
void process_drop_pages(void);

/* process_lacks: NULL, or which limit leaves no room for Go's runtime, and what to do
 * about it: text of one line, static. To be asked before Go starts. */
const char *process_lacks(void);

/* process_module.c: the module _gosrv that the shim uses; NULL with an exception on failure */
PyObject *module_new(void);

/* green_*.c: requests in greenlets. green_adopt: the shim's adaptor of the event loop; -1 with an exception. In a forked child:
 * whether fd is Go's set, which stays as a number; who has forked; and whether the current greenlet is another one. */
extern int green_on;
int green_adopt(PyObject *adaptor);
PyObject *green_pump(PyObject *module, PyObject *unused);
PyObject *green_run(PyObject *module, PyObject *place);
int green_after_fork_child(int fd);
void green_forked(void);
int green_is_copy(void);

/* process_stacks.c: make faulthandler, registered for that signal, ready to write stacks; -1 with
 * an exception. And whether it has written any. */
int stacks_open(int number);
int stacks_were_shown(void);

/* process_libc.c: the C library's own sigaction, which process_signals.c stands before. */
int libc_sigaction(int s, const struct sigaction *new, struct sigaction *old);

/* libc_arguments: in a constructor: glibc has passed it main's arguments, musl has not, and they are filled in. */
void libc_arguments(int *argc, char ***argv, char ***envp);

/* libc_preload: before exec of a python that is to load the library of descriptor 5: where that must be there from its start on,
 * let LD_PRELOAD say so before what the user has there. -1 with errno. And, in that python, before anything else
 * reads its environment: take it out again. */
int libc_preload(void);
void libc_preloaded(void);

/* libc_fit_second: change the file of a second copy of this code so that it can be loaded into this process. NULL, or why it cannot:
 * static text. */
const char *libc_fit_second(int library);

/* process_signals.c */
void signals_save(void);

/* signals_keep_time: the main thread's, once Go's first thread exists: waits are as exact as before signals_save. */
void signals_keep_time(void);
int signals_wakeup_open(void);
void signals_before_fork(void);
void signals_after_fork(void);
void signals_after_fork_child(void);
void signals_forget(void);
void signals_fix_onstack(int number);
int signals_wakeup_writer(void);

/* of Go (export.go) */
extern void gosrvThreadEnter(int slot, void *thread);

/* process_worker.c: functions of the module _gosrv for hooks. */
PyObject *process_notify(PyObject *module, PyObject *unused);
PyObject *process_limit_requests(PyObject *module, PyObject *number);
PyObject *process_requests(PyObject *module, PyObject *unused);

#endif
