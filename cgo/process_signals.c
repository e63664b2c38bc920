/* process_signals.c: who owns which signal in a worker. Python had its handlers first and
 * keeps them; Go's start gets SIGURG (its preemption) and, for faults inside this binary,
 * the four fault signals.
 * cgo/DESIGN.md, "Signals". */
#define _GNU_SOURCE
#include "process.h"
#include "transmit.h"
#include "request.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { SIGNALS = 65 };
static struct sigaction before_go[SIGNALS], go_fault[SIGNALS], python_fault[SIGNALS];
static struct rlimit files_before_go;
static struct sigaction python_abort;
static void **abort_message; /* glibc's, for debuggers and crash reporters; NULL: there is none */
static int abort_log = -1;   /* the error log, if it is not stderr */
static void *go_handler;
static int wakeup[2] = {-1, -1};
static uintptr_t own_text, own_text_end; /* this binary's code: Go and our C */

static int is_fault(int s) { return s == SIGSEGV || s == SIGBUS || s == SIGFPE || s == SIGILL; }

/* gos: the signals that Go may have; 32 and 33 are the C library's own, and 34 is musl's, which refuses it by itself. */
static int is_gos(int s) { return s == SIGURG || s == 32 || s == 33 || is_fault(s); }

static volatile int go_starts;

/* sigaction: in place of the C library's for this binary alone. runtime/cgo calls it, and
 * while Go starts it gets a yes and no handler: a TERM that met Go's would end the process,
 * and Go unblocks such signals, so that they cannot be held back. */
__attribute__((visibility("hidden"))) int sigaction(int s, const struct sigaction *new, struct sigaction *old) {
	if (!go_starts || new == NULL || is_gos(s)) return libc_sigaction(s, new, old);
	if (old) *old = before_go[s];
	return 0;
}

/* GO_SLACK: how many ns longer a wait may last in the threads that Go's runtime makes; they
 * have it from the one that starts it. While a thread is in a long call the runtime's sysmon
 * sleeps for 20 us at a time: one third of the CPU time with 64 threads in the application.
 * A millisecond is soon enough for what it does. */
enum { GO_SLACK = 1000000 };
static int slack_before_go;

/* signals_save: remember what Python (or the application's import) has set, in the form in
 * which it is safe on Go's threads. What follows is Go's start. */
void signals_save(void) {
	for (int s = 1; s < SIGNALS; s++) {
		signals_fix_onstack(s);
		sigaction(s, NULL, &before_go[s]);
	}
	getrlimit(RLIMIT_NOFILE, &files_before_go);
	slack_before_go = prctl(PR_GET_TIMERSLACK);
	prctl(PR_SET_TIMERSLACK, GO_SLACK);
	go_starts = 1;
}

void signals_keep_time(void) {
	if (slack_before_go > 0) prctl(PR_SET_TIMERSLACK, slack_before_go);
}

int signals_wakeup_open(void) { return pipe2(wakeup, O_NONBLOCK | O_CLOEXEC); }
int signals_wakeup_writer(void) { return wakeup[1]; }
int gosrv_wakeup_fd(void) { return wakeup[0]; }

/* signals_fix_onstack: CPython 3.9 sets handlers without SA_ONSTACK; on a goroutine's
 * small stack such a handler is memory corruption (bpo-43390). */
void signals_fix_onstack(int number) {
	struct sigaction now;
	if (sigaction(number, NULL, &now) != 0 || now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)
		return;
	if (now.sa_flags & SA_ONSTACK) return;
	now.sa_flags |= SA_ONSTACK;
	sigaction(number, &now, NULL);
}

static int find_own_text(struct dl_phdr_info *info, size_t size, void *data) {
	(void)size;
	uintptr_t here = (uintptr_t)data;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && p->p_flags & PF_X && here >= from && here < from + p->p_memsz) {
			own_text = from;
			own_text_end = from + p->p_memsz;
			return 1;
		}
	}
	return 0;
}

static uintptr_t program_counter(const ucontext_t *u) {
#if defined(__x86_64__)
	return (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)u->uc_mcontext.pc;
#else
#error "gosrv runs on x86-64 and arm64"
#endif
}

/* on_fault: a fault in this binary is Go's (a nil dereference becomes its panic, with its
 * trace); one in Python or an extension is faulthandler's, which prints the Python stack
 * and lets the signal kill the process. The faulting instruction runs again and meets the
 * handler chosen here. */
static void on_fault(int s, siginfo_t *info, void *context) {
	uintptr_t pc = program_counter(context);
	int ours = info->si_code > 0 && pc >= own_text && pc < own_text_end;
	sigaction(s, ours ? &go_fault[s] : &python_fault[s], NULL);
	if (info->si_code <= 0) syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), s); /* sent, not met */
}

/* on_abort: abort() in C or C++. What the C library has to say about it is on stderr; the
 * error log may be elsewhere. Then faulthandler has its turn, which gives Python's handler
 * back and meets it: that one is for the master's ABRT. */
static void on_abort(int s, siginfo_t *info, void *context) {
	(void)context;
	if (info->si_pid == getpid() && abort_message != NULL && *abort_message != NULL && abort_log >= 0) {
		/* glibc's struct abort_msg_s: its size, then the text */
		const char *text = (const char *)*abort_message + sizeof(unsigned);
		if (write(abort_log, text, strlen(text)) < 0) errno = 0;
	}
	const struct sigaction *python = &before_go[s];
	/* after a time-out the log has the stacks already, and nothing is fatal about it */
	int timeout = info->si_pid != getpid() && stacks_were_shown() && python->sa_handler != SIG_DFL;
	sigaction(s, timeout ? python : &python_abort, NULL);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), s);
}

/* settle_abort: after faulthandler was enabled. Where the error log is stderr, the message is
 * there already. */
static void settle_abort(void) {
	struct sigaction ours = {.sa_sigaction = on_abort, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	PyObject *fd = py.PyObject_VectorcallDict(shim.last_words, NULL, 0, NULL);
	if (fd != NULL) {
		abort_log = (int)py.PyLong_AsLongLong(fd);
		py.Py_DecRef(fd);
	} else {
		py.PyErr_Clear();
	}
	abort_message = dlsym(RTLD_DEFAULT, "__abort_msg");
	sigaction(SIGABRT, NULL, &python_abort);
	sigaction(SIGABRT, &ours, NULL);
}

static void settle_faults(void) {
	PyObject *module = py.PyImport_ImportModule("faulthandler"), *done = NULL;
	PyObject *disable = module ? py.PyObject_GetAttrString(module, "disable") : NULL;
	for (int s = 1; s < SIGNALS; s++)
		if (is_fault(s)) {
			struct sigaction standard = {.sa_handler = SIG_DFL};
			sigaction(s, NULL, &go_fault[s]);
			sigaction(s, &standard, NULL); /* what faulthandler chains to */
		}
	/* PYTHONFAULTHANDLER may have enabled it before Go: enable() would then do nothing */
	if (disable) done = py.PyObject_VectorcallDict(disable, NULL, 0, NULL);
	if (done) py.Py_DecRef(done);
	done = py.PyObject_VectorcallDict(shim.enable_faults, NULL, 0, NULL);
	if (done == NULL) py.PyErr_Clear(); /* the default action still tells the master */
	settle_abort();
	dl_iterate_phdr(find_own_text, (void *)&settle_faults);
	for (int s = 1; s < SIGNALS; s++)
		if (is_fault(s)) {
			struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
			sigaction(s, NULL, &python_fault[s]);
			sigaction(s, &ours, NULL);
		}
}

int gosrv_signals_return(void) {
	struct sigaction now;
	if (gosrv_worker_fd() < 0) return 0;
	go_starts = 0;
	sigaction(SIGURG, NULL, &now);
	go_handler = (void *)now.sa_sigaction;
	signals_keep_time();
	/* Go raised the soft limit for itself; the application and its children see the user's */
	if (files_before_go.rlim_max != 0) setrlimit(RLIMIT_NOFILE, &files_before_go);
	return 1;
}

void gosrv_signals_settle(gosrv_thread *t) {
	gil_take(t);
	settle_faults();
	gil_give(t);
}

uint32_t gosrv_signals_run(gosrv_thread *t) {
	gil_take(t);
	if (py.PyErr_CheckSignals() < 0) {
		if (quitting && py.PyErr_ExceptionMatches(py.PyExc_SystemExit))
			py.PyErr_Clear();
		else
			call_report(NULL);
	}
	leave_if_child();
	uint32_t bits = signal_requests;
	signal_requests = 0; /* set and cleared with the GIL held */
	gil_give(t);
	return bits;
}

/* The signals for which the shim has handlers wait while the application forks: one that
 * reached the child before its handlers are taken off would be lost there, and
 * Process.terminate() right after start() would not end it. */
static __thread sigset_t mask_before_fork;

void signals_before_fork(void) {
	sigset_t held;
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGQUIT);
	sigaddset(&held, SIGUSR1);
	sigaddset(&held, SIGABRT);
	pthread_sigmask(SIG_BLOCK, &held, &mask_before_fork);
}

void signals_after_fork(void) { pthread_sigmask(SIG_SETMASK, &mask_before_fork, NULL); }

/* signals_after_fork_child: in a forked child of the application nothing of Go's works:
 * signals that Go owns go back to their default, and the server's sockets are closed. */
void signals_after_fork_child(void) {
	struct sigaction standard = {.sa_handler = SIG_DFL}, now;
	is_child = 1;
	for (int s = 1; s < SIGNALS; s++) {
		if (sigaction(s, NULL, &now) != 0) continue;
		if (go_handler != NULL && (void *)now.sa_sigaction == go_handler) sigaction(s, &standard, NULL);
		if (now.sa_sigaction == on_fault) sigaction(s, &python_fault[s], NULL);
	}
	int size;
	uint8_t *own = gosrv_fd_table(&size);
	for (int fd = 0; own && fd < size; fd++)
		if (own[fd]) {
			own[fd] = 0; /* a child of this one may find something of its own at the number */
			if (!green_after_fork_child(fd)) close(fd);
		}
	green_forked();
	if (wakeup[0] >= 0) close(wakeup[0]);
	wakeup[0] = -1;
	transmit_forget();
}

/* signals_forget: after signals_after_fork_child, in a child that becomes a zygote: neither
 * Go's alternate stack nor on_abort may be met there again. */
void signals_forget(void) {
	stack_t none = {.ss_flags = SS_DISABLE};
	struct sigaction now;
	sigaltstack(&none, NULL);
	if (sigaction(SIGABRT, NULL, &now) == 0 && now.sa_sigaction == on_abort) sigaction(SIGABRT, &python_abort, NULL);
	close(wakeup[1]);
}
