/* request_objects.c: the heap types of what a request lends to the application, and their reuse. */
#include "request.h"

#include <stdlib.h>

static PyObject *request_type, *input_type, *socket_type;

static void free_instance(PyObject *self) {
	PyObject *type = py_type(self);
	py.PyObject_Free(self);
	py.Py_DecRef(type); /* instances of heap types own their type */
}

static void input_dealloc(PyObject *self) {
	input_detach((input_object *)self);
	free_instance(self);
}

static void socket_dealloc(PyObject *self) {
	socket_free((socket_object *)self);
	free_instance(self);
}

static PyType_Slot request_slots[] = {
	{TP_DEALLOC, free_instance}, {TP_DOC, "one WSGI request"}, {0, NULL}};
static PyType_Slot input_slots[] = {{TP_DEALLOC, input_dealloc}, {TP_ITER, input_iter},
	{TP_ITERNEXT, input_next}, {TP_METHODS, input_methods},
	{TP_DOC, "wsgi.input: the request body (PEP 3333)"}, {0, NULL}};
static PyType_Slot socket_slots[] = {{TP_DEALLOC, socket_dealloc}, {TP_GETATTRO, socket_getattro},
	{TP_METHODS, socket_methods}, {TP_DOC, "gunicorn.socket: a socket.socket made at its first use"}, {0, NULL}};

static PyType_Spec specs[] = {
	{"_gosrv.Request", sizeof(request_object), 0, TPFLAGS_DEFAULT, request_slots},
	{"_gosrv.Input", sizeof(input_object), 0, TPFLAGS_DEFAULT, input_slots},
	{"_gosrv.Socket", sizeof(socket_object), 0, TPFLAGS_DEFAULT, socket_slots},
};

int objects_init(void) {
	request_type = py.PyType_FromSpec(&specs[0]);
	input_type = py.PyType_FromSpec(&specs[1]);
	socket_type = py.PyType_FromSpec(&specs[2]);
	return request_type && input_type && socket_type ? 0 : -1;
}

int is_request(PyObject *o) { return py_type(o) == request_type; }

int call_objects_new(call_objects *b) {
	b->request = (request_object *)take(py.PyType_GenericAlloc(request_type, 0));
	b->input = take(py.PyType_GenericAlloc(input_type, 0));
	b->socket = take(py.PyType_GenericAlloc(socket_type, 0));
	b->start_response = b->write = b->early_hints = NULL;
	if (b->input) ((input_object *)b->input)->map_fd = -1;
	if (b->socket) ((socket_object *)b->socket)->fd = -1;
	if (b->request) {
		PyObject *self = (PyObject *)b->request;
		b->start_response = take(py.PyCFunction_NewEx(&start_response_def, self, NULL));
		b->write = take(py.PyCFunction_NewEx(&write_def, self, NULL));
		b->early_hints = take(py.PyCFunction_NewEx(&early_hints_def, self, NULL));
	}
	if (b->input && b->socket && b->start_response && b->write && b->early_hints) return 0;
	call_objects_drop(b);
	return -1;
}

void call_objects_drop(call_objects *b) {
	if (b->request) b->request->call = NULL;
	if (b->input) input_detach((input_object *)b->input);
	if (b->socket) socket_end((socket_object *)b->socket);
	drop(b->start_response);
	drop(b->write);
	drop(b->early_hints);
	drop(b->input);
	drop(b->socket);
	drop((PyObject *)b->request);
	*b = (call_objects){0};
}

/* call_objects_are_idle: nobody but b itself, and holders dictionaries of the thread, holds a part
 * of b. The request is held by b and by its three functions. */
int call_objects_are_idle(const call_objects *b, int holders) {
	uint32_t held = 1 + (uint32_t)holders;
	return py_refcount(b->input) == held && py_refcount(b->socket) == held
		&& py_refcount(b->early_hints) == held && py_refcount(b->start_response) == 1
		&& py_refcount(b->write) == 1 && py_refcount((PyObject *)b->request) == 4;
}
