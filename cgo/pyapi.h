/* pyapi.h: the part of CPython's C API that gosrv uses, found at run time by dlsym,
 * so that one binary serves every CPython from 3.9 on and is built without Python's
 * headers. Structures repeated here are the same in all of 3.9 to 3.15; an object's header, of which there are two
 * kinds, is known when the library is loaded. */
#ifndef GOSRV_PYAPI_H
#define GOSRV_PYAPI_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/* Room for the header of any build. What stands in it only py_type and py_refcount know:
 *
 *   with a GIL only         count (its low 32 bits in every version), type
 *   free-threaded           thread, flags, mutex, gc bits, local count (32 bits), shared count (<< 2), type
 *
 * An object of ours has its fields behind the larger one in every build. */
typedef struct py_object {
	uint64_t words[4];
} PyObject;
enum { TYPE_WORD = 1, FREE_TYPE_WORD = 3, FREE_LOCAL = 12, FREE_SHARED = 16 };
typedef ssize_t Py_ssize_t;
typedef struct py_thread_state PyThreadState;
typedef PyObject *(*PyCFunction)(PyObject *, PyObject *);

typedef struct {
	const char *name;
	PyCFunction function;
	int flags;
	const char *doc;
} PyMethodDef;
typedef struct {
	int slot;
	void *function;
} PyType_Slot;
typedef struct {
	const char *name;
	int basicsize, itemsize;
	unsigned int flags;
	PyType_Slot *slots;
} PyType_Spec;
typedef struct {
	int type;
	const char *function, *message;
	int exitcode;
} PyStatus;
typedef struct {
	void *buf;
	PyObject *obj;
	Py_ssize_t len, itemsize;
	int readonly, ndim;
	char *format;
	Py_ssize_t *shape, *strides, *suboffsets;
	void *internal;
} Py_buffer;

enum { METH_NOARGS = 4, METH_O = 8, METH_FASTCALL = 0x80, METH_KEYWORDS = 2 };
enum { TP_DEALLOC = 52, TP_DOC = 56, TP_GETATTRO = 58, TP_ITER = 62, TP_ITERNEXT = 63, TP_METHODS = 64 };
enum { FLAG_LIST = 25, FLAG_TUPLE = 26, FLAG_BYTES = 27, FLAG_UNICODE = 28 };
enum { TPFLAGS_DEFAULT = 1 << 18 };

#define PY_FUNCTIONS(X) \
	X(void, Py_IncRef, (PyObject *)) \
	X(void, Py_DecRef, (PyObject *)) \
	X(const char *, Py_GetVersion, (void)) \
	X(int, Py_IsInitialized, (void)) \
	X(PyThreadState *, PyEval_SaveThread, (void)) \
	X(void, PyEval_RestoreThread, (PyThreadState *)) \
	X(int, PyErr_CheckSignals, (void)) \
	X(int, PyGILState_Ensure, (void)) \
	X(void, PyGILState_Release, (int)) \
	X(PyObject *, PyErr_Occurred, (void)) \
	X(void, PyErr_Clear, (void)) \
	X(void, PyErr_Print, (void)) \
	X(void, PyErr_SetString, (PyObject *, const char *)) \
	X(PyObject *, PyErr_Format, (PyObject *, const char *, ...)) \
	X(PyObject *, PyErr_SetFromErrno, (PyObject *)) \
	X(int, PyErr_ExceptionMatches, (PyObject *)) \
	X(void, PyErr_Fetch, (PyObject **, PyObject **, PyObject **)) \
	X(void, PyErr_NormalizeException, (PyObject **, PyObject **, PyObject **)) \
	X(void, PyErr_Restore, (PyObject *, PyObject *, PyObject *)) \
	X(int, PyException_SetTraceback, (PyObject *, PyObject *)) \
	X(PyObject *, PyObject_VectorcallDict, (PyObject *, PyObject *const *, size_t, PyObject *)) \
	X(PyObject *, PyObject_GetAttr, (PyObject *, PyObject *)) \
	X(PyObject *, PyObject_GetAttrString, (PyObject *, const char *)) \
	X(PyObject *, PyObject_GenericGetAttr, (PyObject *, PyObject *)) \
	X(PyObject *, PyObject_Str, (PyObject *)) \
	X(PyObject *, PyObject_GetIter, (PyObject *)) \
	X(PyObject *, PyIter_Next, (PyObject *)) \
	X(int, PyObject_IsTrue, (PyObject *)) \
	X(void, PyObject_Free, (void *)) \
	X(void, PyObject_GetArenaAllocator, (void *)) \
	X(void, PyObject_SetArenaAllocator, (void *)) \
	X(PyObject *, PyType_FromSpec, (PyType_Spec *)) \
	X(PyObject *, PyType_GenericAlloc, (PyObject *, Py_ssize_t)) \
	X(unsigned long, PyType_GetFlags, (PyObject *)) \
	X(PyObject *, PyCFunction_NewEx, (PyMethodDef *, PyObject *, PyObject *)) \
	X(PyObject *, PyModule_New, (const char *)) \
	X(int, PyModule_AddFunctions, (PyObject *, PyMethodDef *)) \
	X(PyObject *, PyImport_ImportModule, (const char *)) \
	X(PyObject *, PyEval_GetBuiltins, (void)) \
	X(PyObject *, PyEval_EvalCode, (PyObject *, PyObject *, PyObject *)) \
	X(PyObject *, Py_CompileString, (const char *, const char *, int)) \
	X(PyObject *, PyDict_New, (void)) \
	X(PyObject *, PyDict_Copy, (PyObject *)) \
	X(PyObject *, PyDict_GetItemWithError, (PyObject *, PyObject *)) \
	X(Py_ssize_t, PyDict_Size, (PyObject *)) \
	X(int, PyDict_SetItem, (PyObject *, PyObject *, PyObject *)) \
	X(int, PyDict_SetItemString, (PyObject *, const char *, PyObject *)) \
	X(Py_ssize_t, PyList_Size, (PyObject *)) \
	X(PyObject *, PyList_GetItem, (PyObject *, Py_ssize_t)) \
	X(PyObject *, PyList_New, (Py_ssize_t)) \
	X(int, PyList_Append, (PyObject *, PyObject *)) \
	X(Py_ssize_t, PyTuple_Size, (PyObject *)) \
	X(PyObject *, PyTuple_GetItem, (PyObject *, Py_ssize_t)) \
	X(PyObject *, PyBytes_FromStringAndSize, (const char *, Py_ssize_t)) \
	X(int, PyBytes_AsStringAndSize, (PyObject *, char **, Py_ssize_t *)) \
	X(PyObject *, PyUnicode_DecodeLatin1, (const char *, Py_ssize_t, const char *)) \
	X(PyObject *, PyUnicode_DecodeUTF8, (const char *, Py_ssize_t, const char *)) \
	X(PyObject *, PyUnicode_InternFromString, (const char *)) \
	X(PyObject *, PyUnicode_AsLatin1String, (PyObject *)) \
	X(const char *, PyUnicode_AsUTF8AndSize, (PyObject *, Py_ssize_t *)) \
	X(Py_ssize_t, PyUnicode_GetLength, (PyObject *)) \
	X(PyObject *, PyLong_FromLong, (long)) \
	X(long long, PyLong_AsLongLong, (PyObject *)) \
	X(Py_ssize_t, PyLong_AsSsize_t, (PyObject *)) \
	X(PyObject *, PyBool_FromLong, (long)) \
	X(void, PyOS_BeforeFork, (void)) \
	X(void, PyOS_AfterFork_Parent, (void)) \
	X(void, PyOS_AfterFork_Child, (void)) \
	X(void, PyConfig_InitPythonConfig, (void *)) \
	X(PyStatus, PyConfig_SetBytesArgv, (void *, Py_ssize_t, char *const *)) \
	X(PyStatus, Py_InitializeFromConfig, (const void *)) \
	X(int, PyStatus_Exception, (PyStatus)) \
	X(void, PyConfig_Clear, (void *))

/* Data symbols: the address of the object itself. */
#define PY_OBJECTS(X) X(_Py_NoneStruct) X(PyList_Type) X(PyTuple_Type) X(PyBytes_Type) X(PyUnicode_Type)
/* Data symbols that hold a pointer to the object. */
#define PY_EXCEPTIONS(X) \
	X(PyExc_TypeError) X(PyExc_ValueError) X(PyExc_AssertionError) X(PyExc_OSError) \
	X(PyExc_RuntimeError) X(PyExc_SystemExit) X(PyExc_AttributeError) X(PyExc_StopIteration) X(PyExc_ConnectionError)

struct py_api {
	int type_word;     /* of an object's header */
	int free_threaded; /* the build; its GIL is on all the same */
#define X(result, name, arguments) result(*name) arguments;
	PY_FUNCTIONS(X)
#undef X
#define X(name) PyObject *name;
	PY_OBJECTS(X)
	PY_EXCEPTIONS(X)
#undef X
};
extern struct py_api py;

/* pyapi_load: fill py from a library opened with dlopen (or RTLD_DEFAULT).
 * Returns NULL, or the name of the first symbol that is missing. */
const char *pyapi_load(void *library);

/* pyapi_check: in a running interpreter: NULL, or what is not as this file says. */
const char *pyapi_check(void);

static inline PyObject *py_type(PyObject *o) { return (PyObject *)(uintptr_t)o->words[py.type_word]; }
static inline int py_has_flag(PyObject *o, int bit) {
	return (py.PyType_GetFlags(py_type(o)) >> bit) & 1;
}
/* The exact type, which nearly all objects have, is told without a call. */
static inline int py_is_str(PyObject *o) { return py_type(o) == py.PyUnicode_Type || py_has_flag(o, FLAG_UNICODE); }
static inline int py_is_bytes(PyObject *o) { return py_type(o) == py.PyBytes_Type || py_has_flag(o, FLAG_BYTES); }
static inline int py_is_tuple(PyObject *o) { return py_type(o) == py.PyTuple_Type || py_has_flag(o, FLAG_TUPLE); }
static inline uint32_t py_refcount(PyObject *o) {
	if (!py.free_threaded) return (uint32_t)o->words[0];
	uint32_t local;
	int64_t shared;
	memcpy(&local, (char *)o + FREE_LOCAL, sizeof local);
	memcpy(&shared, (char *)o + FREE_SHARED, sizeof shared);
	return local + (uint32_t)(shared >> 2);
}

/* Every reference that a call takes and drops is counted (one add under the GIL), so
 * that a leak is a failing test: gosrv_counters. Objects kept for life use py.Py_IncRef. */
extern uint64_t refs_taken, refs_dropped, refs_kept; /* kept: by threads, between calls */
static inline PyObject *take(PyObject *o) {
	refs_taken += o != NULL;
	return o;
}
static inline void drop(PyObject *o) {
	if (o != NULL) {
		refs_dropped++;
		py.Py_DecRef(o);
	}
}
#endif
