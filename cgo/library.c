/* library.c: the same worker where Python has no shared library: the zygote is the user's
 * own static `python`, and its forked child loads this code as a c-shared library (the Go
 * runtime starts with the loading, so the zygote itself must never do that). */
#define _GNU_SOURCE
#include "core.h"
#include "process.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

extern void gosrvWorkerEnter(void);

/* gosrv_library_module: the module _gosrv over the python that loaded this library.
 * Called with the GIL held (ctypes.PyDLL); the caller owns the result; NULL: a symbol is
 * missing, named on stderr, or an exception is set. */
__attribute__((visibility("default"))) PyObject *gosrv_library_module(void) {
	const char *missing = pyapi_load(RTLD_DEFAULT);
	if (missing == NULL) return module_new();
	fprintf(stderr, "gosrv: this python lacks the symbol %s\n", missing);
	return NULL;
}

/* gosrv_library_run: serve. Called with the GIL held on the main thread, after the shim
 * has called _gosrv.enter_worker. Never returns. */
__attribute__((visibility("default"))) void gosrv_library_run(void) {
	signals_save();
	gosrv_signals_return();
	main_thread.state = py.PyEval_SaveThread();
	gosrvWorkerEnter();
	_exit(0);
}
