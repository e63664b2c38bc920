/* process_zygote.c: the zygote: load libpython, start the interpreter as `python` would, run the
 * shim's control loop. One thread, no Go runtime. */
#define _GNU_SOURCE
#include "process.h"
#include "request.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

shim_calls shim;
gosrv_thread main_thread;
int is_child;
volatile uint32_t signal_requests;
volatile int quitting;

static int worker_fd = -1;
static char *title_area;
static size_t title_size;

int gosrv_worker_fd(void) { return worker_fd; }

gosrv_thread *gosrv_main_attach(void) { return worker_fd < 0 ? NULL : &main_thread; }

void process_enter_worker(int fd) { worker_fd = fd; }

void process_title(const char *text) {
	prctl(PR_SET_NAME, text);
	if (title_area == NULL) return;
	size_t n = strlen(text);
	if (n >= title_size) n = title_size - 1;
	memcpy(title_area, text, n);
	memset(title_area + n, 0, title_size - n);
}

void process_title_area(int argc, char **argv) {
	if (argc <= 0) return;
	title_area = argv[0];
	title_size = argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0];
}

char *process_title_room(unsigned long *size) {
	*size = title_size;
	return title_area;
}

void process_title_at(char *area, unsigned long size) {
	title_area = area;
	title_size = size;
}

/* process_fail: the one message that C itself sends: the interpreter cannot start. JSON by
 * hand: there is no library here yet. */
void process_fail(int control, const char *what, const char *detail) {
	char text[4096];
	size_t n = snprintf(text, sizeof text, "{\"type\":\"Failed\",\"stage\":\"interpreter\",\"exit\":1,\"message\":\"%s", what);
	for (const char *p = detail; *p && n < sizeof text - 16; p++) {
		if (*p == '"' || *p == '\\') text[n++] = '\\';
		text[n++] = (unsigned char)*p < 32 ? ' ' : *p;
	}
	n += snprintf(text + n, sizeof text - n, "\"}");
	if (send(control, text, n, MSG_NOSIGNAL) < 0) fprintf(stderr, "gosrv: %s%s\n", what, detail);
	_exit(1);
}

/* start_interpreter: PyConfig is opaque here: larger than in any version, filled only
 * through its functions, so that no offset of a version is needed. `-c pass` gives the
 * configuration that `python -c` has. A free-threaded build keeps its GIL: see cgo/DESIGN.md. */
static void start_interpreter(int control, const char *python) {
	static char config[16384] __attribute__((aligned(16)));
	char *argv[] = {(char *)python, "-c", "pass"}, *keep_gil[] = {(char *)python, "-X", "gil=1", "-c", "pass"};
	py.PyConfig_InitPythonConfig(config);
	PyStatus status = py.free_threaded ? py.PyConfig_SetBytesArgv(config, 5, keep_gil) : py.PyConfig_SetBytesArgv(config, 3, argv);
	if (!py.PyStatus_Exception(status)) status = py.Py_InitializeFromConfig(config);
	if (py.PyStatus_Exception(status))
		process_fail(control, "Python does not start: ", status.message ? status.message : "no reason given");
	py.PyConfig_Clear(config);
	const char *wrong = pyapi_check();
	if (wrong != NULL) process_fail(control, "this build of Python is not known: ", wrong);
}

/* load_library: release, if not empty, is the version that the executable is of: its
 * extension modules may need what an older library does not have. */
static void load_library(int control, const char *path, const char *release) {
	void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	if (library == NULL) process_fail(control, "cannot load libpython: ", dlerror());
	const char *missing = pyapi_load(library);
	if (missing != NULL) process_fail(control, "libpython lacks the symbol ", missing);
	const char *version = py.Py_GetVersion();
	size_t n = strcspn(version, " ");
	if (*release == 0 || (strlen(release) == n && strncmp(version, release, n) == 0)) return;
	char text[512];
	snprintf(text, sizeof text, "%s is Python %.*s, but python is %s: install the libpython of the same release, or pass --python",
		path, (int)n, version, release);
	process_fail(control, "libpython does not fit: ", text);
}

/* Ctrl-C and a supervisor's signals reach the whole process group; the zygote obeys the master only. */
static const int group[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH};
enum { GROUP = sizeof group / sizeof *group };

/* ignore_group_signals: until the shim runs, and over an exec of python. */
static void ignore_group_signals(void) {
	for (size_t i = 0; i < GROUP; i++) signal(group[i], SIG_IGN);
}

static void pass_over(int number) { (void)number; }

/* One at a time: the frames of all of them at once may be more than faulthandler's signal stack holds. */
void process_pass_over_signals(void) {
	struct sigaction action = {.sa_handler = pass_over, .sa_flags = SA_RESTART};
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < GROUP; i++) sigaction(group[i], &action, NULL);
}

/* The kernel means the thread that has started this process: the master's first one, or one of Go's, which do not end. */
void process_end_with_master(int control) {
	struct pollfd channel = {.fd = control};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&channel, 1, 0) > 0) _exit(1); /* its end is reported unasked */
}

static char *read_bundle(int control, int fd) {
	struct stat s;
	if (fstat(fd, &s) != 0) process_fail(control, "cannot read the shim: ", strerror(errno));
	char *text = malloc(s.st_size + 1);
	if (text == NULL || pread(fd, text, s.st_size, 0) != s.st_size)
		process_fail(control, "cannot read the shim: ", strerror(errno));
	text[s.st_size] = 0;
	close(fd);
	return text;
}

/* process_shim: execute the bundle's first part, boot.py, with `_gosrv`, `control_fd` and
 * `modules` (the rest of the bundle, JSON) as globals. */
void process_shim(int control, int shim_fd) {
	char *bundle = read_bundle(control, shim_fd);
	char *modules = bundle + strlen(bundle) + 1;
	PyObject *globals = py.PyDict_New(), *module = module_new();
	PyObject *code = py.Py_CompileString(bundle, "<gosrv>/boot.py", 257 /* Py_file_input */);
	PyObject *fd = py.PyLong_FromLong(control);
	PyObject *rest = py.PyUnicode_DecodeUTF8(modules, strlen(modules), NULL);
	PyObject *result = NULL;
	if (globals && module && code && fd && rest
		&& py.PyDict_SetItemString(globals, "__builtins__", py.PyEval_GetBuiltins()) == 0
		&& py.PyDict_SetItemString(globals, "_gosrv", module) == 0
		&& py.PyDict_SetItemString(globals, "control_fd", fd) == 0
		&& py.PyDict_SetItemString(globals, "modules", rest) == 0)
		result = py.PyEval_EvalCode(code, globals, globals);
	if (result == NULL) {
		py.PyErr_Print();
		process_fail(control, "the shim failed; its traceback is on stderr", "");
	}
	/* globals, module and code live as long as the process */
	free(bundle);
}

/* take_variable: an order of the master, "" if it gave none; the application must not see it. */
static char *take_variable(const char *name) {
	const char *value = getenv(name);
	char *copy = strdup(value ? value : "");
	unsetenv(name);
	return copy;
}

void process_main(int argc, char **argv) {
	const char *role = getenv("_GOSRV_ZYGOTE");
	int control, shim_fd;
	if (role == NULL || sscanf(role, "%d,%d", &control, &shim_fd) != 2) {
		const char *lack = process_lacks();
		if (lack == NULL) return;
		fprintf(stderr, "gosrv: error: %s\n", lack);
		_exit(1);
	}
	process_end_with_master(control);
	ignore_group_signals();
	unsetenv("_GOSRV_ZYGOTE");
	char *library = take_variable("_GOSRV_LIBPYTHON");
	char *python = take_variable("_GOSRV_PYTHON");
	char *release = take_variable("_GOSRV_RELEASE");
	process_title_area(argc, argv);
	process_title("gosrv: zygote");
	if (*library == 0) {
		process_become(python);
		process_fail(control, "cannot run python: ", strerror(errno));
	}
	load_library(control, library, release);
	start_interpreter(control, python);
	process_shim(control, shim_fd);
	free(library);
	free(python);
	free(release);
	signals_save();
	main_thread.state = py.PyEval_SaveThread();
}
