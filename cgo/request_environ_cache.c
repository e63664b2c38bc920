/* request_environ_cache.c: environ of a header block that repeats, or of header names that do: one dictionary
 * copy and the few values that differ, instead of some thirty insertions. */
#include "request.h"

#include <string.h>

static void cached_drop(gosrv_thread *t, cached_environ *m) {
	if (m->environ == NULL) return;
	t->holders -= m->epoch == t->epoch;
	py.Py_DecRef(m->environ);
	m->environ = NULL;
}

/* cached_keep: cache an environ, which belongs to the cache from now on, and its request's slots. */
static void cached_keep(gosrv_thread *t, cached_environ *m, PyObject *environ, const packed *p) {
	cached_drop(t, m);
	m->environ = environ;
	m->epoch = t->epoch;
	t->holders++;
	for (int i = 0; i < GOSRV_SLOTS; i++) {
		uint32_t len = p->desc[2 * i + 1];
		m->slots[i].len = len;
		if (len <= CACHED_TEXT)
			memcpy(m->slots[i].text, request_string(p->head, p->extra, p->desc[2 * i]), len);
	}
}

/* set_changed: the slots that differ from the cached environ's; those over CACHED_TEXT always do.
 * 1: one is there that was absent, or the other way round, so the copy is of no use. */
static int set_changed(PyObject *d, const cached_environ *m, const packed *p) {
	for (int i = 0; i < GOSRV_SLOTS; i++) {
		uint32_t len = p->desc[2 * i + 1], old = m->slots[i].len;
		if ((len == GOSRV_ABSENT) != (old == GOSRV_ABSENT)) return 1;
		if (len == GOSRV_ABSENT) continue;
		const char *text = request_string(p->head, p->extra, p->desc[2 * i]);
		if (len == old && len <= CACHED_TEXT && memcmp(m->slots[i].text, text, len) == 0) continue;
		if (environ_set(d, slot_keys[i], text, len) < 0) return -1;
	}
	return 0;
}

/* cached_copy: a copy of the cached environ with this request's slots and the thread's objects.
 * NULL: an exception, or *useless. */
static PyObject *cached_copy(gosrv_thread *t, cached_environ *m, const packed *p, int *useless) {
	if (m->epoch != t->epoch) { /* the thread has other objects since */
		if (environ_bind(m->environ, &t->objects) < 0) return NULL;
		m->epoch = t->epoch;
		t->holders++;
	}
	PyObject *d = take(py.PyDict_Copy(m->environ));
	int outcome = d ? set_changed(d, m, p) : -1;
	if (outcome == 0) return d;
	drop(d);
	*useless = outcome > 0;
	return NULL;
}

PyObject *environ_by_number(gosrv_thread *t, int base, int number, const packed *p) {
	cached_environ *m = &t->cached[number];
	int useless = 0;
	if (m->environ == NULL || p->flags & GOSRV_CACHED_NEW) {
		cached_drop(t, m); /* of another block, even if the next line fails */
		PyObject *kept = environ_build(t->bases[base], p);
		if (kept == NULL) return NULL;
		refs_dropped++; /* it is the cache's */
		cached_keep(t, m, kept, p);
	}
	PyObject *d = cached_copy(t, m, p, &useless);
	return useless ? environ_build(t->bases[base], p) : d;
}

static int shape_fits(const shape *s, int base, const packed *p, const uint64_t *names) {
	return s->kept.environ && s->base == base && s->https == (int)(p->flags & GOSRV_HTTPS) && s->n == p->headers
		&& memcmp(s->names, names, sizeof s->names) == 0;
}

/* shape_copy: a copy of the shape's environ with the values of these items. */
static PyObject *shape_copy(gosrv_thread *t, shape *s, const packed *p, const item *items, int *useless) {
	PyObject *d = cached_copy(t, &s->kept, p, useless);
	for (int i = 0; d != NULL && i < s->n; i++) {
		if (s->value[s->place[items[i].name]] == items[i].value) continue;
		if (py.PyDict_SetItem(d, items[i].key, items[i].value) == 0) continue;
		drop(d);
		return NULL;
	}
	return d;
}

/* shape_make: a fresh environ; its names take the place when they come there twice in a row. */
static PyObject *shape_make(gosrv_thread *t, shape *s, int base, const packed *p, const item *items, const uint64_t *names, uint32_t hash) {
	PyObject *d = take(py.PyDict_Copy(t->bases[base]));
	if (d == NULL || environ_set_items(d, p, items) < 0 || environ_set_slots(d, p) < 0) {
		drop(d);
		return NULL;
	}
	PyObject *kept = s->missed == hash ? py.PyDict_Copy(d) : NULL;
	s->missed = hash;
	if (kept == NULL) {
		py.PyErr_Clear();
		return d;
	}
	cached_keep(t, &s->kept, kept, p);
	memcpy(s->names, names, sizeof s->names);
	s->base = base;
	s->https = p->flags & GOSRV_HTTPS;
	s->n = p->headers;
	for (int i = 0; i < s->n; i++) {
		s->place[items[i].name] = (uint8_t)i;
		s->value[i] = items[i].value;
	}
	return d;
}

PyObject *shape_environ(gosrv_thread *t, int base, const packed *p) {
	item items[SHAPE_HEADERS];
	uint64_t names[NAME_WORDS] = {0};
	int n = 0, numbered = 0, lines = 0;
	if (p->headers > SHAPE_HEADERS || p->flags & (GOSRV_PROXIED | GOSRV_SECURED)) return environ_build(t->bases[base], p);
	lines_use();
	for (; n < p->headers && item_of(p, p->desc + 2 * GOSRV_SLOTS + 4 * n, &items[n]) == 0; n++) {
		lines += !items[n].owned;
		if (items[n].name < 0) continue;
		numbered++;
		names[items[n].name / 64] |= UINT64_C(1) << items[n].name % 64;
	}
	uint64_t hash = 0;
	for (int i = 0; i < NAME_WORDS; i++) hash = (hash ^ names[i]) * 0xD6E8FEB86659FD93u;
	shape *s = &t->shapes[(hash >> 32) % SHAPES];
	PyObject *d = NULL;
	int useless = 0;
	if (n < p->headers)
		; /* an exception */
	else if (lines == 0 || numbered < n) /* without lines nothing repeats */
		useless = 1;
	else if (shape_fits(s, base, p, names))
		d = shape_copy(t, s, p, items, &useless);
	else
		d = shape_make(t, s, base, p, items, names, (uint32_t)(hash >> 16));
	while (n > 0) item_drop(&items[--n]);
	lines_leave();
	return useless ? environ_build(t->bases[base], p) : d;
}
