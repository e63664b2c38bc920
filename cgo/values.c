/* values.c: str objects of header values and paths that come again and again. Direct-mapped:
 * a value takes the place of the one before it, so that the cache is bounded and a client
 * that sends new values for ever only misses. Guarded by the GIL. */
#include "core.h"

#include <string.h>

enum { VALUES = 1024, VALUE_MAX = 256 };
static struct {
	PyObject *text;    /* kept */
	const char *bytes; /* of text, in its own memory: it is ASCII */
	uint32_t hash, len;
} values[VALUES];

/* hash_bytes: eight bytes a step; need not be strong, a collision only replaces. */
static uint32_t hash_bytes(const char *p, uint32_t n) {
	uint64_t h = n * 0x9E3779B97F4A7C15u, word;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = (h ^ word) * 0xD6E8FEB86659FD93u;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, p, n);
	h = (h ^ word) * 0xD6E8FEB86659FD93u;
	return (uint32_t)(h >> 32);
}

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
}

PyObject *value_str(const char *p, uint32_t n) {
	uint32_t hash = n <= VALUE_MAX ? hash_bytes(p, n) : 0;
	int at = hash % VALUES;
	if (n <= VALUE_MAX && values[at].text != NULL && values[at].hash == hash && values[at].len == n
		&& memcmp(values[at].bytes, p, n) == 0) {
		py.Py_IncRef(values[at].text);
		return take(values[at].text);
	}
	PyObject *text = py.PyUnicode_DecodeLatin1(p, n, NULL); /* PEP 3333: bytes as latin-1 */
	if (text != NULL && n <= VALUE_MAX) remember(text, hash, n);
	return take(text);
}
