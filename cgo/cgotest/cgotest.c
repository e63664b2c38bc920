#define _GNU_SOURCE
#include "cgotest.h"
#include "request.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

const char *test_missing_symbol(const char *path) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (library == NULL) return dlerror();
	const char *missing = pyapi_load(library);
	return missing ? missing : "";
}

/* make_input(bytes): a wsgi.input over a copy of bytes, as a request has it. */
static PyObject *make_input(PyObject *self, PyObject *data) {
	(void)self;
	call_objects b;
	char *p;
	Py_ssize_t n;
	if (py.PyBytes_AsStringAndSize(data, &p, &n) < 0 || call_objects_new(&b) < 0) return NULL;
	PyObject *input = b.input;
	input_lend((input_object *)input, p, -1, n, 0);
	int failed = input_own((input_object *)input);
	py.Py_IncRef(input);
	b.input = NULL;
	call_objects_drop(&b);
	drop(input); /* call_objects_new's count; the reference above is Python's */
	return failed ? NULL : input;
}

/* make_blocks(bytes): the same, in blocks that were used and hashed before. */
static PyObject *make_blocks(PyObject *self, PyObject *data) {
	(void)self;
	gosrv_block blocks[16];
	call_objects b;
	char *p;
	Py_ssize_t n, size, count = 0;
	if (py.PyBytes_AsStringAndSize(data, &p, &n) < 0 || call_objects_new(&b) < 0) return NULL;
	for (Py_ssize_t at = 0; at < n; at += GOSRV_BLOCK, count++) {
		blocks[count].object = py.PyBytes_FromStringAndSize(NULL, GOSRV_BLOCK);
		py.PyBytes_AsStringAndSize(blocks[count].object, &blocks[count].mem, &size);
		memset(blocks[count].mem, 'o', GOSRV_BLOCK);
		PyObject *key = blocks[count].object, *seen = py.PyDict_New(); /* hashes it */
		py.PyDict_SetItem(seen, key, key);
		py.Py_DecRef(seen);
		memcpy(blocks[count].mem, p + at, n - at < GOSRV_BLOCK ? n - at : GOSRV_BLOCK);
	}
	PyObject *input = b.input;
	input_lend_blocks((input_object *)input, blocks, n);
	int failed = input_own((input_object *)input) < 0 || input_own((input_object *)input) < 0;
	for (Py_ssize_t i = 0; i < count; i++) py.Py_DecRef(blocks[i].object);
	py.Py_IncRef(input);
	b.input = NULL;
	call_objects_drop(&b);
	drop(input);
	return failed ? NULL : input;
}

/* What Go is to give to the stream that make_stream has made last. */
static struct {
	char bytes[256];
	int64_t n; /* or a negative errno */
} pieces[64];
static int piece, piece_count, piece_off;

int64_t test_piece(char *buf, uint64_t cap) {
	if (piece == piece_count) return 0;
	int64_t n = pieces[piece].n;
	if (n > 0) {
		n -= piece_off;
		if ((uint64_t)n > cap) n = (int64_t)cap;
		memcpy(buf, pieces[piece].bytes + piece_off, n);
		piece_off += n;
		if (piece_off < pieces[piece].n) return n;
	}
	piece_off = 0;
	piece++;
	return n;
}

/* make_stream([bytes or errno, ...]): a wsgi.input over a body that comes in these pieces. */
static PyObject *make_stream(PyObject *self, PyObject *script) {
	(void)self;
	call_objects b;
	if (call_objects_new(&b) < 0) return NULL;
	piece = piece_off = 0;
	piece_count = (int)py.PyList_Size(script);
	for (int i = 0; i < piece_count && i < 64; i++) {
		PyObject *item = py.PyList_GetItem(script, i);
		char *p;
		if (!py_is_bytes(item)) {
			pieces[i].n = -py.PyLong_AsLongLong(item);
		} else {
			py.PyBytes_AsStringAndSize(item, &p, &pieces[i].n);
			memcpy(pieces[i].bytes, p, pieces[i].n);
		}
	}
	PyObject *input = b.input;
	input_lend((input_object *)input, NULL, -1, 0, 1);
	py.Py_IncRef(input);
	b.input = NULL;
	call_objects_drop(&b);
	drop(input);
	return input;
}

/* end_call(input): what happens to an input when its request is over. */
static PyObject *end_call(PyObject *self, PyObject *input) {
	(void)self;
	input_detach((input_object *)input);
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

/* pack: a header block from [(name, value)] or [(name, value, number of the line)]. 0: no. */
static int pack(PyObject *pairs, packed *p) {
	static char text[1 << 16];
	static uint32_t desc[2 * GOSRV_SLOTS + 4 * 1024];
	uint32_t used = 0;
	int n = (int)py.PyList_Size(pairs);
	for (int i = 0; i < GOSRV_SLOTS; i++) desc[2 * i + 1] = GOSRV_ABSENT;
	for (int i = 0; i < 2 * n; i++) {
		Py_ssize_t len;
		PyObject *pair = py.PyList_GetItem(pairs, i / 2);
		PyObject *word = py.PyUnicode_AsLatin1String(py.PyTuple_GetItem(pair, i % 2));
		char *from;
		if (word == NULL || py.PyBytes_AsStringAndSize(word, &from, &len) < 0 || used + (size_t)len > sizeof text) return 0;
		memcpy(text + used, from, len);
		py.Py_DecRef(word);
		uint32_t *at = desc + 2 * GOSRV_SLOTS + 2 * i;
		at[0] = used;
		at[1] = (uint32_t)len;
		if (i % 2 == 0 && py.PyTuple_Size(pair) == 3)
			at[1] |= GOSRV_HAS_LINE | (uint32_t)py.PyLong_AsLongLong(py.PyTuple_GetItem(pair, 2)) << GOSRV_LINE_SHIFT;
		used += len;
	}
	*p = (packed){text, "", desc, n, 0, strlen(text)};
	return 1;
}

/* make_environ(pairs): environ from a header block, with an empty base. */
static PyObject *make_environ(PyObject *self, PyObject *pairs) {
	(void)self;
	packed p;
	if (!pack(pairs, &p)) return NULL;
	PyObject *base = py.PyDict_New(), *environ = environ_build(base, &p);
	py.Py_DecRef(base);
	refs_dropped += environ != NULL; /* handed to Python */
	return environ;
}

/* shape_of(pairs): the same as a thread makes it, which remembers shapes. */
static PyObject *shape_of(PyObject *self, PyObject *pairs) {
	(void)self;
	static gosrv_thread thread;
	packed p;
	if (!pack(pairs, &p)) return NULL;
	if (thread.bases[0] == NULL) {
		thread.bases[0] = py.PyDict_New();
		if (call_objects_new(&thread.objects) < 0) return NULL;
		refs_dropped += CALL_OBJECTS_REFS; /* kept for good */
	}
	PyObject *environ = shape_environ(&thread, 0, &p);
	refs_dropped += environ != NULL;
	return environ;
}

static PyMethodDef functions[] = {{"make_input", make_input, METH_O, NULL}, {"make_blocks", make_blocks, METH_O, NULL},
	{"make_environ", make_environ, METH_O, NULL}, {"shape_of", shape_of, METH_O, NULL}, {"make_stream", make_stream, METH_O, NULL},
	{"end_call", end_call, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static PyObject *globals;

const char *test_start(const char *library, const char *python) {
	static char config[16384] __attribute__((aligned(16)));
	char *argv[] = {(char *)python, "-X", "gil=1", "-c", "pass"};
	void *handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
	if (handle == NULL) return dlerror();
	if (pyapi_load(handle) != NULL) return "a symbol is missing";
	py.PyConfig_InitPythonConfig(config);
	PyStatus status = py.PyConfig_SetBytesArgv(config, 5, argv);
	if (!py.PyStatus_Exception(status)) status = py.Py_InitializeFromConfig(config);
	if (py.PyStatus_Exception(status)) return "the interpreter does not start";
	PyObject *module = py.PyModule_New("_gosrv_test");
	globals = py.PyDict_New();
	if (!module || !globals || py.PyModule_AddFunctions(module, functions) != 0 || objects_init() != 0
		|| environ_init() != 0)
		return "the test module cannot be made";
	py.PyDict_SetItemString(globals, "__builtins__", py.PyEval_GetBuiltins());
	py.PyDict_SetItemString(globals, "t", module);
	return "";
}

int test_run(const char *code) {
	PyObject *compiled = py.Py_CompileString(code, "<cgotest>", 257);
	PyObject *result = compiled ? py.PyEval_EvalCode(compiled, globals, globals) : NULL;
	if (compiled) py.Py_DecRef(compiled);
	if (result == NULL) {
		py.PyErr_Print();
		return -1;
	}
	py.Py_DecRef(result);
	return 0;
}

/* test_object: a new one with so many references, as C counts them. It is never freed. */
void *test_object(int references, uint32_t *counted) {
	PyObject *o = py.PyDict_New();
	for (int i = 1; i < references; i++) py.Py_IncRef(o);
	*counted = py_refcount(o);
	return o;
}

uint64_t test_refs_taken(void) { return refs_taken; }
uint64_t test_refs_dropped(void) { return refs_dropped; }

void test_request_layout(size_t *o) {
	size_t layout[] = {sizeof(gosrv_request), offsetof(gosrv_request, stream), offsetof(gosrv_request, body_len),
		offsetof(gosrv_request, cap), offsetof(gosrv_request, head_len), offsetof(gosrv_request, base), offsetof(gosrv_request, headers),
		offsetof(gosrv_request, body_fd), offsetof(gosrv_request, conn_fd), offsetof(gosrv_request, flags)};
	memcpy(o, layout, sizeof layout);
}

int test_chunk_line(uint64_t n, char *out) { return (int)(chunk_line(out, n) - out); }

void test_result_layout(size_t *o) {
	size_t layout[] = {sizeof(gosrv_result), offsetof(gosrv_result, head_len),
		offsetof(gosrv_result, body_off), offsetof(gosrv_result, body_len), offsetof(gosrv_result, fd),
		offsetof(gosrv_result, ref), offsetof(gosrv_result, ref_len), offsetof(gosrv_result, total),
		offsetof(gosrv_result, need), offsetof(gosrv_result, file_off), offsetof(gosrv_result, file_len),
		offsetof(gosrv_result, handle), offsetof(gosrv_result, now), offsetof(gosrv_result, notes), offsetof(gosrv_result, notes_len),
		offsetof(gosrv_result, sent), offsetof(gosrv_result, iterates), offsetof(gosrv_result, payload), offsetof(gosrv_result, ends)};
	memcpy(o, layout, sizeof layout);
}

int test_leaf_rule(void) {
	leaf_inside = 1;
	gil_take(&main_thread);
	return leaf_inside;
}
