/* request_input_blocks.c: bytes objects that a request body is received into. A read of a block's size at a
 * block's begin gives the object itself: what the application gets was copied once, by recv.
 * 64 KiB is what Django, Werkzeug and shutil.copyfileobj read at a time. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

int gosrv_blocks(gosrv_thread *t, const gosrv_block *old, int drops, gosrv_block *made, int wanted) {
	int n = 0;
	gil_take(t);
	steps++;
	for (int i = 0; i < drops; i++) {
		refs_kept--;
		drop(old[i].object);
	}
	while (n < wanted) {
		Py_ssize_t size;
		PyObject *bytes = take(py.PyBytes_FromStringAndSize(NULL, GOSRV_BLOCK));
		if (bytes == NULL || py.PyBytes_AsStringAndSize(bytes, &made[n].mem, &size) < 0) break;
		refs_kept++;
		made[n++].object = bytes;
	}
	if (n < wanted) py.PyErr_Clear();
	gil_give(t);
	return n;
}

/* blocks_give: n bytes from pos on, all of them there. */
PyObject *blocks_give(const gosrv_block *blocks, Py_ssize_t pos, Py_ssize_t n) {
	const gosrv_block *block = blocks + pos / GOSRV_BLOCK;
	Py_ssize_t from = pos % GOSRV_BLOCK;
	if (from == 0 && n == GOSRV_BLOCK) {
		/* It may have been another body's block, and hashed: the word before the bytes is the
		 * cached hash, in every version. */
		((Py_ssize_t *)block->mem)[-1] = -1;
		py.Py_IncRef(block->object);
		return block->object;
	}
	char *to;
	Py_ssize_t size;
	PyObject *bytes = py.PyBytes_FromStringAndSize(NULL, n);
	if (bytes == NULL || n == 0) return bytes;
	py.PyBytes_AsStringAndSize(bytes, &to, &size);
	for (Py_ssize_t part; n > 0; n -= part, to += part, block++, from = 0) {
		part = n < GOSRV_BLOCK - from ? n : GOSRV_BLOCK - from;
		memcpy(to, block->mem + from, part);
	}
	return bytes;
}

/* blocks_own: a copy of the table that holds references, since the call outlives the lending;
 * NULL: no memory. */
gosrv_block *blocks_own(const gosrv_block *blocks, Py_ssize_t len) {
	Py_ssize_t n = (len + GOSRV_BLOCK - 1) / GOSRV_BLOCK;
	gosrv_block *own = malloc(n * sizeof *own);
	if (own == NULL) return NULL;
	memcpy(own, blocks, n * sizeof *own);
	for (Py_ssize_t i = 0; i < n; i++) {
		take(own[i].object);
		py.Py_IncRef(own[i].object);
	}
	return own;
}

/* blocks_disown: the end of what blocks_own gave. */
void blocks_disown(gosrv_block *own, Py_ssize_t len) {
	for (Py_ssize_t i = 0; i * GOSRV_BLOCK < len; i++) drop(own[i].object);
	free(own);
}
