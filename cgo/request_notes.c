/* request_notes.c: the values that the access log shows of an environ which the application may have
 * changed, copied out when the call ends. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

/* A tuple of tuples: a name as Go knows it, then the keys to look for. NULL: environ is not
 * looked at again. Set once, before Go starts. */
PyObject *noted_keys;

enum { NOTE_MAX = 64 << 10 };

/* put_text: a length of 4 bytes and the text in UTF-8. 0: no memory, or no UTF-8. */
static int put_text(gosrv_thread *t, PyObject *text) {
	Py_ssize_t len;
	const char *p = py.PyUnicode_AsUTF8AndSize(text, &len);
	if (p == NULL) return 0;
	uint32_t n = len < NOTE_MAX ? (uint32_t)len : NOTE_MAX;
	uint64_t used = t->result.notes_len, need = used + sizeof n + n;
	if (need > t->notes_cap) {
		char *grown = realloc(t->notes, 2 * need);
		if (grown == NULL) return 0;
		t->notes = grown;
		t->notes_cap = 2 * need;
	}
	memcpy(t->notes + used, &n, sizeof n);
	memcpy(t->notes + used + sizeof n, p, n);
	t->result.notes_len = need;
	return 1;
}

/* put_note: name and value; an object that is no string as str() shows it. */
static void put_note(gosrv_thread *t, PyObject *name, PyObject *value) {
	uint64_t before = t->result.notes_len;
	PyObject *text = NULL;
	if (!py_has_flag(value, FLAG_UNICODE)) {
		text = take(py.PyObject_Str(value));
		if (text == NULL) {
			py.PyErr_Clear(); /* the line shows what the server knows, or "-" */
			return;
		}
		value = text;
	}
	if (!put_text(t, name) || !put_text(t, value)) {
		py.PyErr_Clear();
		t->result.notes_len = before;
	}
	drop(text);
}

/* notes_take: at the end of a call, before its close(), as Gunicorn logs. */
void notes_take(gosrv_call *c) {
	gosrv_thread *t = c->thread;
	t->result.notes_len = 0;
	for (Py_ssize_t i = 0, n = py.PyTuple_Size(noted_keys); i < n; i++) {
		PyObject *entry = py.PyTuple_GetItem(noted_keys, i), *value = NULL;
		for (Py_ssize_t k = 1, keys = py.PyTuple_Size(entry); k < keys && value == NULL; k++)
			value = py.PyDict_GetItemWithError(c->environ, py.PyTuple_GetItem(entry, k));
		if (value != NULL) {
			py.Py_IncRef(value); /* str() may run anything */
			put_note(t, py.PyTuple_GetItem(entry, 0), take(value));
			drop(value);
		}
	}
	t->result.notes = t->notes;
	drop(c->environ);
	c->environ = NULL;
}
