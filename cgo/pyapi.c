#define _GNU_SOURCE
#include "gosrv.h"
#include "pyapi.h"

#include <dlfcn.h>

struct py_api py;
uint64_t refs_taken, refs_dropped, refs_kept;

const char *pyapi_load(void *library) {
#define X(result, name, arguments) \
	py.name = (result(*) arguments)dlsym(library, #name); \
	if (py.name == NULL) return #name;
	PY_FUNCTIONS(X)
#undef X
#define X(name) \
	py.name = (PyObject *)dlsym(library, #name); \
	if (py.name == NULL) return #name;
	PY_OBJECTS(X)
#undef X
#define X(name) \
	{ \
		PyObject **holder = (PyObject **)dlsym(library, #name); \
		if (holder == NULL) return #name; \
		py.name = *holder; /* static types: set before the interpreter starts */ \
	}
	PY_EXCEPTIONS(X)
#undef X
	/* what only a build has whose counts are in two parts */
	py.free_threaded = dlsym(library, "_Py_MergeZeroLocalRefcount") != NULL;
	py.type_word = py.free_threaded ? FREE_TYPE_WORD : TYPE_WORD;
	return NULL;
}

int gosrv_two_counts(void) { return py.free_threaded; }

const char *pyapi_check(void) {
	PyObject *o = py.PyDict_New();
	const char *wrong = NULL;
	if (o == NULL) return "no memory";
	py.Py_IncRef(o);
	if (py_refcount(o) != 2) wrong = "the count of references is not where gosrv looks for it";
	py.Py_DecRef(o);
	if (wrong == NULL && py_refcount(o) != 1) wrong = "the count of references does not count";
	py.Py_DecRef(o);
	o = py.PyBytes_FromStringAndSize("two", 3);
	if (o == NULL) return "no memory";
	if (wrong == NULL && py_type(o) != py.PyBytes_Type) wrong = "the type of an object is not where gosrv looks for it";
	py.Py_DecRef(o);
	return wrong;
}
