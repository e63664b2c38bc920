#define _GNU_SOURCE
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
	return NULL;
}
