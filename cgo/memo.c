/* memo.c: environ of a header block that repeats: one dictionary copy and the few slots
 * that differ, instead of some thirty insertions. */
#include "core.h"

#include <string.h>

static void memo_drop(gosrv_thread *t, memo *m) {
	if (m->environ == NULL) return;
	t->holders -= m->epoch == t->epoch;
	py.Py_DecRef(m->environ);
	m->environ = NULL;
}

/* memo_fill: make the memo from this request. -1 with an exception, and an empty memo. */
static int memo_fill(gosrv_thread *t, memo *m, PyObject *base, const packed *p) {
	memo_drop(t, m);
	m->environ = py.PyDict_Copy(base);
	if (m->environ == NULL) return -1;
	m->epoch = t->epoch;
	t->holders++;
	if (environ_set_headers(m->environ, p) < 0 || environ_set_slots(m->environ, p) < 0) {
		memo_drop(t, m);
		return -1;
	}
	for (int i = 0; i < GOSRV_SLOTS; i++) {
		uint32_t len = p->desc[2 * i + 1];
		m->slots[i].len = len;
		if (len <= MEMO_TEXT)
			memcpy(m->slots[i].text, request_string(p->head, p->extra, p->desc[2 * i]), len);
	}
	return 0;
}

/* set_changed: the slots that differ from the memo's; those over MEMO_TEXT always do.
 * 1: one is there that was absent, or the other way round, so the copy is of no use. */
static int set_changed(PyObject *d, const memo *m, const packed *p) {
	for (int i = 0; i < GOSRV_SLOTS; i++) {
		uint32_t len = p->desc[2 * i + 1], old = m->slots[i].len;
		if ((len == GOSRV_ABSENT) != (old == GOSRV_ABSENT)) return 1;
		if (len == GOSRV_ABSENT) continue;
		const char *text = request_string(p->head, p->extra, p->desc[2 * i]);
		if (len == old && len <= MEMO_TEXT && memcmp(m->slots[i].text, text, len) == 0) continue;
		if (environ_set(d, slot_keys[i], text, len) < 0) return -1;
	}
	return 0;
}

PyObject *memo_environ(gosrv_thread *t, int base, int number, const packed *p) {
	memo *m = &t->memos[number];
	if (m->environ == NULL || p->flags & GOSRV_MEMO_NEW) {
		if (memo_fill(t, m, t->bases[base], p) < 0) return NULL;
	} else if (m->epoch != t->epoch) { /* the thread has another bundle since */
		if (environ_bind(m->environ, &t->objects) < 0) return NULL;
		m->epoch = t->epoch;
		t->holders++;
	}
	PyObject *d = take(py.PyDict_Copy(m->environ));
	int outcome = d ? set_changed(d, m, p) : -1;
	if (outcome == 0) return d;
	drop(d);
	return outcome > 0 ? environ_build(t->bases[base], p) : NULL;
}
