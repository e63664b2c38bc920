/* process_static.c: the zygote where Python has no shared library. It is the user's own `python`,
 * which loads this code as an extension module; Go is started in its forked workers only.
 * The package library does the loading's part. */
#define _GNU_SOURCE
#include "process.h"
#include "request.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

extern void gosrvWorkerEnter(void);

/* What `python -c` runs: undo what -c did (an entry of sys.path, the text in orig_argv), and
 * load the library. The spelling of its path is one that nobody else would use: the dynamic
 * linker takes a library for loaded already when it knows the path. No name stays behind in
 * __main__. The blanks at the end are the room for process titles. */
#define BLANKS "                                                                "
static char bootstrap[] =
	"def boot():\n"
	" import sys\n"
	" from _frozen_importlib import ModuleSpec\n"
	" from _imp import create_dynamic\n"
	" del globals()['boot']\n"
	" if sys.path[:1] == [''] and not getattr(sys.flags, 'safe_path', False): del sys.path[0]\n"
	" if hasattr(sys, 'orig_argv'): sys.orig_argv[1:] = ['-c', 'pass']\n"
	" create_dynamic(ModuleSpec('_gosrv', None, origin='/proc/self/./fd/5'))\n"
	"boot()\n" BLANKS BLANKS BLANKS BLANKS BLANKS BLANKS;

int process_become(const char *python) {
	/* a free-threaded python keeps its GIL; any other has it anyway */
	char *argv[] = {(char *)python, "-X", "gil=1", "-c", bootstrap, NULL};
	if (libc_preload() != 0) return -1;
	return execv(python, argv);
}

void process_library(int argc, char **argv, const char *trouble, void (*start_go)(void)) {
	enum { CONTROL = 3, SHIM = 4, LIBRARY = 5 };
	close(LIBRARY);
	process_title_area(argc, argv);
	process_title("gosrv: zygote");
	if (trouble != NULL) process_fail(CONTROL, "cannot load gosrv into this python: ", trouble);
	const char *missing = pyapi_load(RTLD_DEFAULT);
	if (missing != NULL) process_fail(CONTROL, "this python does not export the symbol ", missing);
	const char *wrong = pyapi_check();
	if (wrong != NULL) process_fail(CONTROL, "this build of Python is not known: ", wrong);
	process_shim(CONTROL, SHIM);
	signals_save();
	main_thread.state = py.PyEval_SaveThread();
	start_go();
	signals_keep_time();
	gosrvWorkerEnter();
	_exit(0);
}
