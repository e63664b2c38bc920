/* process_refork.c: a worker that has served for a while becomes the parent of a new zygote. Its
 * child has one thread and a Go runtime that is dead, so it loads a second copy of this code,
 * cmd/libgosrv, and goes on there: cgo/DESIGN.md, "Zygotes from workers". */
#define _GNU_SOURCE
#include "process.h"
#include "request.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

extern void gosrvWorkerEnter(void);

typedef void (*entry)(int control, char *area, unsigned long room, void *carry_on);

/* enter_second: the way over into the second copy. The spelling of the path is one that the
 * dynamic linker does not know of the first. */
static void enter_second(int control, int library) {
	char path[64];
	unsigned long room;
	signals_forget();
	int n = snprintf(path, sizeof path, "{\"type\":\"ZygoteForked\",\"pid\":%d}", (int)getpid());
	if (send(control, path, n, MSG_NOSIGNAL) < 0) _exit(1);
	snprintf(path, sizeof path, "/proc/self/fd/./%d", library);
	const char *trouble = libc_fit_second(library);
	if (trouble != NULL) process_fail(control, "cannot load gosrv once more: ", trouble);
	void *second = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	entry enter = second ? (entry)dlsym(second, "gosrv_continue_as_zygote") : NULL;
	if (enter == NULL) process_fail(control, "cannot load gosrv once more: ", dlerror());
	close(library);
	char *area = process_title_room(&room);
	enter(control, area, room, shim.refork);
	_exit(1);
}

int gosrv_refork(gosrv_thread *t, int control, int library) {
	gil_take(t);
	PyObject *done = py.PyObject_VectorcallDict(shim.refork, NULL, 0, NULL);
	if (done == NULL) call_report(NULL);
	int forked = done ? process_fork() : -1;
	if (forked == 1) enter_second(control, library);
	int error = done ? errno : ECANCELED;
	if (done) py.Py_DecRef(done);
	gil_give(t);
	return forked < 0 ? -error : 0;
}

void process_continue_as_zygote(int control, char *area, unsigned long room, void *carry_on, const char *trouble, void (*start_go)(void)) {
	process_title_at(area, room);
	process_title("gosrv: zygote");
	if (trouble != NULL) process_fail(control, "cannot start gosrv once more: ", trouble);
	const char *missing = pyapi_load(RTLD_DEFAULT);
	if (missing != NULL) process_fail(control, "this process does not export the symbol ", missing);
	PyObject *args[] = {module_new(), py.PyLong_FromLong(control)};
	if (args[0] == NULL || args[1] == NULL || py.PyObject_VectorcallDict(carry_on, args, 2, NULL) == NULL) {
		py.PyErr_Print();
		process_fail(control, "the shim failed; its traceback is on stderr", "");
	}
	signals_save();
	main_thread.state = py.PyEval_SaveThread();
	start_go();
	signals_keep_time();
	gosrvWorkerEnter();
	_exit(0);
}
