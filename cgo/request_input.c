/* request_input.c: wsgi.input: the complete request body in memory, in blocks (request_input_blocks.c) or in a spool
 * file, or one that still comes (request_input_stream.c). PEP 3333 "Input and Error Streams"; sizes and results as
 * io.BytesIO gives them. */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* input_lend: mem (or the file fd) is Go's and stays until input_detach or input_own. With
 * a stream there is neither: all is asked of Go, until input_detach. */
void input_lend(input_object *in, const char *mem, int fd, int64_t len, uint64_t stream) {
	in->mem = fd < 0 ? mem : NULL;
	in->map_fd = fd;
	in->len = len;
	in->pos = 0;
	in->stream = stream;
	in->room = 0;
	in->ended = in->fault = in->busy = 0;
	in->green = NULL;
}

/* input_lend_blocks: as input_lend, for a body that lies in blocks. */
void input_lend_blocks(input_object *in, const gosrv_block *blocks, int64_t len) {
	input_lend(in, NULL, -1, len, 0);
	in->blocks = blocks;
}

/* ready: map the spool file at the first read. -1 with an exception. */
static int ready(input_object *in) {
	if (in->mem != NULL || in->map_fd < 0 || in->len == 0) return 0;
	void *map = mmap(NULL, in->len, PROT_READ, MAP_PRIVATE, in->map_fd, 0);
	if (map == MAP_FAILED) {
		py.PyErr_SetFromErrno(py.PyExc_OSError);
		return -1;
	}
	in->map = map;
	in->mem = map;
	return 0;
}

/* ahead: want bytes, or all that there are, can be read at pos; want < 0 is all. -1 with an
 * exception. */
static int ahead(input_object *in, Py_ssize_t want) {
	return in->stream ? stream_ahead(in, want) : ready(in);
}

/* input_own: copy what is lent, because the call outlives the lending. -1: no memory. */
int input_own(input_object *in) {
	if (in->map_fd >= 0) {
		if (ready(in) == 0) return 0; /* a mapping outlives its descriptor */
		py.PyErr_Clear();
		return -1;
	}
	if (in->blocks != NULL) {
		if (in->own_blocks != NULL) return 0;
		if ((in->own_blocks = blocks_own(in->blocks, in->len)) == NULL) in->len = in->pos = 0;
		in->blocks = in->own_blocks;
		return in->blocks ? 0 : -1;
	}
	if (in->stream || in->own != NULL || in->pos >= in->len) return 0;
	Py_ssize_t left = in->len - in->pos;
	in->own = malloc(left);
	if (in->own == NULL) return -1;
	memcpy(in->own, in->mem + in->pos, left);
	in->mem = in->own;
	in->len = left;
	in->pos = 0;
	return 0;
}

/* input_detach: the lending is over; a kept input reads as exhausted, or raises where its
 * stream was not. A thread that waits in refill frees the buffer it waits with. */
void input_detach(input_object *in) {
	if (in->map != NULL) munmap(in->map, in->len);
	if (in->own_blocks != NULL) blocks_disown(in->own_blocks, in->len);
	in->blocks = in->own_blocks = NULL;
	if (in->stream) stream_detach(in);
	if (!in->busy) {
		free(in->own);
		in->own = NULL;
	}
	in->map = NULL;
	in->map_fd = -1;
	in->mem = NULL;
	in->green = NULL;
	in->len = in->pos = 0;
}

/* size_argument: the optional size; None and negatives mean "all". -2: exception. */
static Py_ssize_t size_argument(PyObject *const *args, Py_ssize_t nargs) {
	if (nargs > 1) {
		py.PyErr_SetString(py.PyExc_TypeError, "at most one argument, the size, is taken");
		return -2;
	}
	if (nargs == 0 || args[0] == py._Py_NoneStruct) return -1;
	Py_ssize_t size = py.PyLong_AsSsize_t(args[0]);
	if (size == -1 && py.PyErr_Occurred()) return -2;
	return size < 0 ? -1 : size;
}

static PyObject *give(input_object *in, Py_ssize_t n) {
	PyObject *bytes = in->blocks ? blocks_give(in->blocks, in->pos, n)
		: py.PyBytes_FromStringAndSize(in->mem ? in->mem + in->pos : "", n);
	if (bytes) in->pos += n;
	return bytes;
}

/* stretch: the bytes that lie in one piece from at on, *from, and how many there are. */
static Py_ssize_t stretch(const input_object *in, Py_ssize_t at, const char **from) {
	Py_ssize_t left = in->len - at;
	if (in->blocks == NULL || left == 0) {
		*from = in->mem + at;
		return left;
	}
	Py_ssize_t offset = at % GOSRV_BLOCK;
	*from = in->blocks[at / GOSRV_BLOCK].mem + offset;
	return left < GOSRV_BLOCK - offset ? left : GOSRV_BLOCK - offset;
}

/* line_length: of the line at pos, its end included, or of most bytes of it; 0 at the end of
 * the body, -1 with an exception. */
static Py_ssize_t line_length(input_object *in, Py_ssize_t most) {
	for (Py_ssize_t seen = 0;;) {
		const char *from, *end;
		Py_ssize_t n = stretch(in, in->pos + seen, &from);
		if (most >= 0 && n > most - seen) n = most - seen;
		if (n > 0) {
			if ((end = memchr(from, '\n', n)) != NULL) return seen + (end - from) + 1;
			seen += n;
			if (seen != most && in->pos + seen < in->len) continue;
		}
		if (!in->stream || in->ended || seen == most) return seen;
		if (stream_ahead(in, seen + 1) < 0) return -1;
	}
}

static PyObject *input_read(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
	input_object *in = (input_object *)self;
	Py_ssize_t size = size_argument(args, nargs);
	if (size == -2 || ahead(in, size) < 0) return NULL;
	Py_ssize_t left = in->len - in->pos;
	return give(in, size < 0 || size > left ? left : size);
}

static PyObject *input_readline(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
	input_object *in = (input_object *)self;
	Py_ssize_t size = size_argument(args, nargs);
	if (size == -2 || ahead(in, 0) < 0) return NULL;
	Py_ssize_t n = line_length(in, size);
	return n < 0 ? NULL : give(in, n);
}

static PyObject *input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
	input_object *in = (input_object *)self;
	Py_ssize_t hint = size_argument(args, nargs), got = 0;
	if (hint == -2 || ahead(in, 0) < 0) return NULL;
	PyObject *lines = py.PyList_New(0);
	while (lines && (hint <= 0 || got < hint)) {
		Py_ssize_t n = line_length(in, -1);
		if (n == 0) break;
		PyObject *line = n > 0 ? give(in, n) : NULL;
		if (line == NULL || py.PyList_Append(lines, line) < 0) {
			py.Py_DecRef(lines);
			lines = NULL;
		}
		if (line) py.Py_DecRef(line);
		got += n;
	}
	return lines;
}

PyObject *input_iter(PyObject *self) {
	py.Py_IncRef(self);
	return self;
}

PyObject *input_next(PyObject *self) {
	input_object *in = (input_object *)self;
	if (ahead(in, 0) < 0) return NULL;
	Py_ssize_t n = line_length(in, -1);
	return n > 0 ? give(in, n) : NULL;
}

PyMethodDef input_methods[] = {
	{"read", (PyCFunction)(void *)input_read, METH_FASTCALL, "read(size=-1) -> bytes"},
	{"readline", (PyCFunction)(void *)input_readline, METH_FASTCALL, "readline(size=-1) -> bytes"},
	{"readlines", (PyCFunction)(void *)input_readlines, METH_FASTCALL, "readlines(hint=-1) -> list"},
	{NULL, NULL, 0, NULL}};
