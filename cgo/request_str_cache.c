/* request_str_cache.c: str objects of header values and paths that come again and again. Direct-mapped:
 * a value takes the place of the one before it when it comes twice in a row, so that the
 * cache is bounded and a client that sends new values for ever only misses. And header lines
 * that Go has recognised. Guarded by the GIL. */
#include "request.h"

#include <string.h>

enum { VALUES = 1024, VALUE_MAX = 256 };
static struct {
	PyObject *text;    /* kept */
	const char *bytes; /* of text, in its own memory: it is ASCII */
	uint32_t hash, len;
} values[VALUES];
/* Half of the hash of what is there, and of what was looked for there last, in vain. Apart,
 * because most values are new ones, for which the large table is not worth a cache miss. */
static uint16_t held[VALUES], missed[VALUES];

/* remember: only ASCII, whose bytes are its UTF-8 and lie inside the object for life. */
static void remember(PyObject *text, uint32_t hash, uint32_t n) {
	Py_ssize_t len;
	const char *bytes = py.PyUnicode_AsUTF8AndSize(text, &len);
	if (bytes == NULL || len != (Py_ssize_t)n) {
		py.PyErr_Clear();
		return;
	}
	int at = hash % VALUES;
	if (values[at].text != NULL) py.Py_DecRef(values[at].text);
	py.Py_IncRef(text);
	values[at].text = text;
	values[at].bytes = bytes;
	values[at].hash = hash;
	values[at].len = n;
	held[at] = (uint16_t)(hash >> 16);
}

PyObject *value_str(const char *p, uint32_t n) {
	uint32_t hash = n <= VALUE_MAX ? hash_bytes(p, n, 0) : 0;
	int at = hash % VALUES;
	uint16_t half = (uint16_t)(hash >> 16);
	if (n <= VALUE_MAX && held[at] == half && values[at].text != NULL && values[at].hash == hash && values[at].len == n
		&& memcmp(values[at].bytes, p, n) == 0) {
		py.Py_IncRef(values[at].text);
		return take(values[at].text);
	}
	PyObject *text = py.PyUnicode_DecodeLatin1(p, n, NULL); /* PEP 3333: bytes as latin-1 */
	if (text == NULL || n > VALUE_MAX) return take(text);
	if (missed[at] == half) remember(text, hash, n);
	missed[at] = half;
	return take(text);
}

/* By Go's number, which says where to look and proves nothing. */
enum { LINES = 257, LINE_MAX_LEN = 180 };
static struct line {
	PyObject *key, *value; /* the key is the table's of names, the value kept here */
	uint32_t name_len, value_at, value_len;
	int name;
	char text[LINE_MAX_LEN]; /* from the name to the value's end */
} lines[LINES];

/* Values that lines gave up while somebody may be using what line_find has lent: another line of
 * the same request may have the same number, and a thread may lose the GIL in between. */
enum { GIVEN_UP = 64 };
static PyObject *given_up[GIVEN_UP];
static int users, given;

void lines_use(void) { users++; }

void lines_leave(void) {
	if (--users > 0) return;
	while (given > 0) py.Py_DecRef(given_up[--given]);
}

int line_find(uint32_t number, const char *p, uint32_t name_len, uint32_t value_at, uint32_t value_len, item *i) {
	if (number == 0 || number >= LINES) return 0;
	const struct line *l = &lines[number];
	if (l->value == NULL || l->name_len != name_len || l->value_at != value_at || l->value_len != value_len
		|| memcmp(l->text, p, value_at + value_len) != 0)
		return 0;
	*i = (item){.key = l->key, .value = l->value, .name = l->name};
	return 1;
}

void line_keep(uint32_t number, const char *p, uint32_t name_len, uint32_t value_at, uint32_t value_len, const item *i) {
	if (number == 0 || number >= LINES || value_len > LINE_MAX_LEN || value_at > LINE_MAX_LEN - value_len || i->name < 0)
		return;
	struct line *l = &lines[number];
	if (l->value != NULL && users > 0) {
		if (given == GIVEN_UP) return;
		given_up[given++] = l->value;
	} else if (l->value != NULL) {
		py.Py_DecRef(l->value);
	}
	py.Py_IncRef(i->value);
	l->key = i->key;
	l->value = i->value;
	l->name_len = name_len;
	l->value_at = value_at;
	l->value_len = value_len;
	l->name = i->name;
	memcpy(l->text, p, value_at + value_len);
}
