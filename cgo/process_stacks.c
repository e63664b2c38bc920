/* process_stacks.c: what the watchdog asks of Python from outside: whether the GIL can be taken,
 * and the stacks of all threads, which faulthandler writes without it. */
#define _GNU_SOURCE
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int stacks_fd = -1, stacks_signal;
static void (*write_stacks)(int);
static volatile int stacks_shown;

/* memory_file: a file without a name; where memfd_create is refused, an unlinked one as
 * wsgi/ipc/memfile makes it, by whose name it is known in /proc. -1 with errno. */
static int memory_file(void) {
	static const char *const folders[] = {"/dev/shm", "/tmp", "/var/tmp"};
	int fd = (int)syscall(SYS_memfd_create, "gosrv-stacks", 1U /* MFD_CLOEXEC; glibc 2.17 has neither */);
	for (size_t i = 0; fd < 0 && i < sizeof folders / sizeof *folders; i++) {
		char path[64];
		snprintf(path, sizeof path, "%s/.memfile-gosrv-stacks-XXXXXX", folders[i]);
		if ((fd = mkostemp(path, O_CLOEXEC)) >= 0) unlink(path);
	}
	return fd;
}

/* faulthandler.register has no C API, and the function behind it is exported by some
 * versions only. So it is called as what it is installed as: the handler of a signal that
 * nobody sends here but `gosrv top`, which reads the file by /proc. If the application takes that signal later, there are no stacks. */
int stacks_open(int number) {
	struct sigaction now;
	stacks_signal = number;
	if ((stacks_fd = memory_file()) < 0) {
		py.PyErr_SetFromErrno(py.PyExc_OSError);
		return -1;
	}
	PyObject *module = py.PyImport_ImportModule("faulthandler");
	PyObject *enlist = module ? py.PyObject_GetAttrString(module, "register") : NULL;
	PyObject *args[2] = {py.PyLong_FromLong(number), py.PyLong_FromLong(stacks_fd)};
	PyObject *done = enlist && args[0] && args[1] ? py.PyObject_VectorcallDict(enlist, args, 2, NULL) : NULL;
	PyObject *mine[] = {module, enlist, args[0], args[1], done};
	for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
		if (mine[i]) py.Py_DecRef(mine[i]);
	if (done == NULL) return -1;
	signals_fix_onstack(number); /* who looks from outside (gosrv top) does send it, and any thread may get it */
	sigaction(number, NULL, &now);
	write_stacks = now.sa_handler;
	return 0;
}

int stacks_were_shown(void) { return stacks_shown; }

static int stacks_ready(void) {
	struct sigaction now;
	return write_stacks && sigaction(stacks_signal, NULL, &now) == 0 && now.sa_handler == write_stacks
		&& ftruncate(stacks_fd, 0) == 0 && lseek(stacks_fd, 0, SEEK_SET) == 0;
}

int gosrv_stacks(int gil, int32_t *turn) {
	static __thread int attached;
	int state = gil ? py.PyGILState_Ensure() : 0, result = -2;
	/* Once more, without its release: the thread keeps its thread state for life. One that was
	 * freed while faulthandler walks the list, in a crash, would be a second crash. */
	if (gil && !attached) {
		attached = 1;
		py.PyGILState_Ensure();
	}
	if (__sync_bool_compare_and_swap(turn, 0, 1)) {
		result = -1;
		if (stacks_ready()) {
			write_stacks(stacks_signal);
			stacks_shown = 1;
			result = stacks_fd;
		}
	}
	if (gil) py.PyGILState_Release(state);
	return result;
}
