/* request_environ.c: the environ dictionary from a packed request (environ.Packed).
 * Keys are made once: a table from header name to interned HTTP_* key. And the values of it
 * that the access log shows, copied out when the call ends: the application may have changed them. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

/* In the order of environ.Slot. */
static const char *slot_names[GOSRV_SLOTS] = {"REQUEST_METHOD", "RAW_URI", "PATH_INFO",
	"QUERY_STRING", "SERVER_PROTOCOL", "SCRIPT_NAME", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME",
	"SERVER_PORT"};
PyObject *slot_keys[GOSRV_SLOTS];
/* Behind a PROXY header, in the order of environ.Packed. */
enum { PROXY_KEYS = 3 };
static const char *proxy_names[PROXY_KEYS] = {"PROXY_PROTOCOL", "PROXY_ADDR", "PROXY_PORT"};
static PyObject *proxy_keys[PROXY_KEYS];
/* Of a TLS session (tls_environ), in the order of call.Secured: mod_ssl's names. */
enum { SECURE_KEYS = 8 };
static const char *secure_names[SECURE_KEYS] = {"HTTPS", "SSL_PROTOCOL", "SSL_CIPHER", "SSL_CLIENT_VERIFY",
	"SSL_CLIENT_S_DN", "SSL_CLIENT_I_DN", "SSL_CLIENT_M_SERIAL", "SSL_CLIENT_CERT"};
static PyObject *secure_keys[SECURE_KEYS];
/* Of a stream of HTTP/2, Gunicorn's. */
enum { WEIGHT, DEPENDS_ON, VERSION, TRAILERS, STREAM_KEYS };
static const char *stream_names[STREAM_KEYS] = {"gunicorn.http2.priority_weight", "gunicorn.http2.priority_depends_on",
	"HTTP_VERSION", "gunicorn.http2.send_trailers"};
static PyObject *stream_keys[STREAM_KEYS], *version_2;
static PyObject *key_scheme, *https, *key_input, *key_early_hints, *key_socket, *key_route;

/* Header names seen, as sent but for case. Bounded, so that a client that sends new names
 * for ever costs a fresh key a header and no memory. */
enum { NAMES = 1024, NAME_MAX_LEN = 64 };
static struct name_entry {
	PyObject *key; /* kept for life */
	uint16_t number;
	uint8_t len;
	char name[NAME_MAX_LEN];
} names[NAMES];
static int names_used;

static inline char lower(char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

/* name_hash: case falls away with a bit in each byte. What else does collides. */
static uint32_t name_hash(const char *p, size_t n) { return hash_bytes(p, n, 0x2020202020202020u); }

static int name_equal(const struct name_entry *e, const char *p, size_t n) {
	if (e->len != n) return 0;
	for (size_t i = 0; i < n; i++)
		if (e->name[i] != lower(p[i])) return 0;
	return 1;
}

/* names_header: whether a header's name is this lower-case one. */
static int names_header(const char *p, size_t n, const char *name) {
	for (size_t i = 0; i < n; i++)
		if (name[i] == 0 || lower(p[i]) != name[i]) return 0;
	return name[n] == 0;
}

/* make_key: RFC 3875 4.1.18: HTTP_ and the upper-cased name, but for the two that CGI
 * names itself; Content_Type with an underscore is another header, which must not pass
 * for them. The caller owns the result. */
static PyObject *make_key(const char *p, size_t n) {
	char stack[256], *text = n + 6 <= sizeof stack ? stack : malloc(n + 6);
	if (text == NULL) return NULL;
	memcpy(text, "HTTP_", 5);
	for (size_t i = 0; i < n; i++) {
		char c = p[i];
		text[5 + i] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 32 : c;
	}
	text[5 + n] = 0;
	char *name = text;
	if (names_header(p, n, "content-type") || names_header(p, n, "content-length")) name += 5;
	PyObject *key = py.PyUnicode_InternFromString(name);
	if (text != stack) free(text);
	return key;
}

/* header_key: the key of a header name and its number; -1: it has none, and the caller
 * must drop the key. */
static PyObject *header_key(const char *p, size_t n, int *number) {
	if (n <= NAME_MAX_LEN) {
		uint32_t at = name_hash(p, n) % NAMES;
		for (; names[at].key != NULL; at = (at + 1) % NAMES)
			if (name_equal(&names[at], p, n)) {
				*number = names[at].number;
				return names[at].key;
			}
		if (names_used < GOSRV_NAMES) {
			PyObject *key = make_key(p, n);
			if (key == NULL) return NULL;
			*number = names[at].number = (uint16_t)names_used++;
			names[at].key = key;
			names[at].len = (uint8_t)n;
			for (size_t i = 0; i < n; i++) names[at].name[i] = lower(p[i]);
			return key;
		}
	}
	*number = -1;
	return take(make_key(p, n));
}

int environ_init(void) {
	for (int i = 0; i < GOSRV_SLOTS; i++) {
		slot_keys[i] = py.PyUnicode_InternFromString(slot_names[i]);
		if (slot_keys[i] == NULL) return -1;
	}
	for (int i = 0; i < PROXY_KEYS; i++) {
		proxy_keys[i] = py.PyUnicode_InternFromString(proxy_names[i]);
		if (proxy_keys[i] == NULL) return -1;
	}
	for (int i = 0; i < SECURE_KEYS; i++) {
		secure_keys[i] = py.PyUnicode_InternFromString(secure_names[i]);
		if (secure_keys[i] == NULL) return -1;
	}
	for (int i = 0; i < STREAM_KEYS; i++) {
		stream_keys[i] = py.PyUnicode_InternFromString(stream_names[i]);
		if (stream_keys[i] == NULL) return -1;
	}
	version_2 = py.PyUnicode_InternFromString("2");
	if (version_2 == NULL) return -1;
	key_scheme = py.PyUnicode_InternFromString("wsgi.url_scheme");
	https = py.PyUnicode_InternFromString("https");
	key_input = py.PyUnicode_InternFromString("wsgi.input");
	key_route = py.PyUnicode_InternFromString("gosrv.route");
	key_early_hints = py.PyUnicode_InternFromString("wsgi.early_hints");
	key_socket = py.PyUnicode_InternFromString("gunicorn.socket");
	return key_scheme && https && key_input && key_early_hints && key_socket && key_route ? 0 : -1;
}

int environ_set(PyObject *d, PyObject *key, const char *p, uint32_t n) {
	PyObject *value = value_str(p, n);
	if (value == NULL) return -1;
	int failed = py.PyDict_SetItem(d, key, value);
	drop(value);
	return failed;
}

void item_drop(const item *i) {
	if (i->name < 0) drop(i->key);
	if (i->owned) drop(i->value);
}

/* item_of: the key and value of one header in desc. -1 with an exception. */
int item_of(const packed *p, const uint32_t *h, item *i) {
	uint32_t number = h[1] & GOSRV_HAS_LINE ? (h[1] & ~GOSRV_HAS_LINE) >> GOSRV_LINE_SHIFT : 0;
	uint32_t len = number ? h[1] & ((1 << GOSRV_LINE_SHIFT) - 1) : h[1];
	const char *name = request_string(p->head, p->extra, h[0]);
	number = (h[0] | h[2]) & GOSRV_IN_EXTRA ? 0 : number; /* joined from several lines */
	if (line_find(number, name, len, h[2] - h[0], h[3], i)) return 0;
	i->owned = 1;
	i->value = NULL;
	i->key = header_key(name, len, &i->name);
	if (i->key == NULL) return -1;
	i->value = value_str(request_string(p->head, p->extra, h[2]), h[3]);
	if (i->value == NULL) {
		item_drop(i);
		return -1;
	}
	line_keep(number, name, len, h[2] - h[0], h[3], i);
	return 0;
}

static int set_scheme(PyObject *d, const packed *p) {
	return p->flags & GOSRV_HTTPS ? py.PyDict_SetItem(d, key_scheme, https) : 0;
}

int environ_set_items(PyObject *d, const packed *p, const item *items) {
	for (int n = p->headers; n > 0; n--, items++)
		if (py.PyDict_SetItem(d, items->key, items->value) < 0) return -1;
	return set_scheme(d, p);
}

static int set_headers(PyObject *d, const packed *p) {
	const uint32_t *h = p->desc + 2 * GOSRV_SLOTS;
	for (int n = p->headers; n > 0; n--, h += 4) {
		item i;
		if (item_of(p, h, &i) < 0) return -1;
		int failed = py.PyDict_SetItem(d, i.key, i.value);
		item_drop(&i);
		if (failed) return -1;
	}
	return set_scheme(d, p);
}

/* set_present: n keys from pairs of offset and length, but for those that are absent. */
static int set_present(PyObject *d, const packed *p, PyObject **keys, const uint32_t *pair, int n) {
	for (int i = 0; i < n; i++, pair += 2)
		if (pair[1] != GOSRV_ABSENT
			&& environ_set(d, keys[i], request_string(p->head, p->extra, pair[0]), pair[1]) != 0)
			return -1;
	return 0;
}

int environ_set_slots(PyObject *d, const packed *p) {
	if (set_present(d, p, slot_keys, p->desc, GOSRV_SLOTS) < 0) return -1;
	const uint32_t *pair = p->desc + 2 * GOSRV_SLOTS + 4 * p->headers;
	if (p->flags & GOSRV_PROXIED) {
		if (set_present(d, p, proxy_keys, pair, PROXY_KEYS) < 0) return -1;
		pair += 2 * PROXY_KEYS;
	}
	return p->flags & GOSRV_SECURED ? set_present(d, p, secure_keys, pair, SECURE_KEYS) : 0;
}

/* environ_build: a new dictionary, owned by the caller; NULL with an exception. */
PyObject *environ_build(PyObject *base, const packed *p) {
	PyObject *d = take(py.PyDict_Copy(base));
	if (d != NULL && set_headers(d, p) == 0 && environ_set_slots(d, p) == 0) return d;
	drop(d);
	return NULL;
}

/* set_new: value is the caller's to give away; NULL: an exception is set. */
static int set_new(PyObject *d, PyObject *key, PyObject *value) {
	if (value == NULL) return -1;
	int failed = py.PyDict_SetItem(d, key, value);
	py.Py_DecRef(value);
	return failed;
}

/* environ_of_stream: what Gunicorn says of a stream of HTTP/2 beside the rest. request is that of the call. */
int environ_of_stream(PyObject *environ, const packed *p, PyObject *request) {
	const uint32_t *said = p->desc + 2 * GOSRV_SLOTS + 4 * p->headers + (p->flags & GOSRV_PROXIED ? 2 * PROXY_KEYS : 0)
		+ (p->flags & GOSRV_SECURED ? 2 * SECURE_KEYS : 0);
	if (set_new(environ, stream_keys[WEIGHT], py.PyLong_FromLong((long)said[0])) < 0) return -1;
	if (set_new(environ, stream_keys[DEPENDS_ON], py.PyLong_FromLong((long)said[1])) < 0) return -1;
	if (py.PyDict_SetItem(environ, stream_keys[VERSION], version_2) < 0) return -1;
	return set_new(environ, stream_keys[TRAILERS], py.PyCFunction_NewEx(&send_trailers_def, request, NULL));
}

/* environ_bind: put the request's own objects into a dictionary. */
int environ_bind(PyObject *environ, const call_objects *b) {
	return py.PyDict_SetItem(environ, key_input, b->input)
		|| py.PyDict_SetItem(environ, key_early_hints, b->early_hints)
		|| py.PyDict_SetItem(environ, key_socket, b->socket) ? -1 : 0;
}

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

/* route_take: once the application has returned. before: how many keys environ had then; one with no more has no route. */
void route_take(gosrv_thread *t, PyObject *environ, Py_ssize_t before) {
	Py_ssize_t len;
	PyObject *route = py.PyDict_Size(environ) == before ? NULL : py.PyDict_GetItemWithError(environ, key_route);
	if (route == NULL || !py_has_flag(route, FLAG_UNICODE)) return;
	const char *p = py.PyUnicode_AsUTF8AndSize(route, &len);
	if (p == NULL) {
		py.PyErr_Clear(); /* no UTF-8: there is no route */
		return;
	}
	t->result.route = t->route;
	t->result.route_len = len < GOSRV_ROUTE ? (uint64_t)len : GOSRV_ROUTE;
	memcpy(t->route, p, t->result.route_len);
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
