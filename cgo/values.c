/* values.c: str objects of header values and paths that come again and again. Direct-mapped:
 * a value takes the place of the one before it, so that the cache is bounded and a client
 * that sends new values for ever only misses. Guarded by the GIL. */
#include "core.h"

#include <string.h>

enum { VALUES = 1024, VALUE_MAX = 192 };
static struct {
	PyObject *text; /* kept */
	uint32_t hash;
	uint16_t len;
	char bytes[VALUE_MAX];
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

PyObject *value_str(const char *p, uint32_t n) {
	if (n > VALUE_MAX) return take(py.PyUnicode_DecodeLatin1(p, n, NULL)); /* PEP 3333: latin-1 */
	uint32_t hash = hash_bytes(p, n);
	int at = hash % VALUES;
	if (values[at].text != NULL && values[at].hash == hash && values[at].len == n
		&& memcmp(values[at].bytes, p, n) == 0) {
		py.Py_IncRef(values[at].text);
		return take(values[at].text);
	}
	PyObject *text = py.PyUnicode_DecodeLatin1(p, n, NULL);
	if (text == NULL) return NULL;
	if (values[at].text != NULL) py.Py_DecRef(values[at].text);
	py.Py_IncRef(text);
	values[at].text = text;
	values[at].hash = hash;
	values[at].len = (uint16_t)n;
	memcpy(values[at].bytes, p, n);
	return take(text);
}
