/* request_input_stream.c: wsgi.input over a body that still comes (the setting stream_request_body). What
 * Go has received lies in `own` between pos and len; when that is not enough, the GIL is
 * released and Go is asked for more. request_input.c reads from there as from a whole body. */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for one read; a longer line or a larger size doubles it. */
enum { STREAM_ROOM = 64 << 10, STREAM_LEAST = 16 << 10 };

static const char *fault_text(int number) {
	switch (number) {
	case ECONNRESET: return "the client has closed the connection in the middle of the request body";
	case ETIMEDOUT: return "the client sends the request body too slowly";
	case EBADMSG: return "the request body is not well chunked";
	case EFBIG: return "the request body is larger than limit_request_body";
	case ENOMEM: return "no memory for the request body";
	}
	return "the request is over, and its body was not read to the end";
}

/* raise_fault: OSError(number, text), which Python makes ConnectionResetError or
 * TimeoutError where it has a class for the number. */
static void raise_fault(int number) {
	PyObject *args[2] = {py.PyLong_FromLong(number), py.PyUnicode_InternFromString(fault_text(number))};
	PyObject *error = args[0] && args[1] ? py.PyObject_VectorcallDict(py.PyExc_OSError, args, 2, NULL) : NULL;
	for (int i = 0; i < 2; i++)
		if (args[i]) py.Py_DecRef(args[i]);
	if (error == NULL) return; /* another exception is set */
	py.Py_IncRef(py_type(error));
	py.PyErr_Restore(py_type(error), error, NULL);
}

/* make_room: what was read already goes, and the buffer grows when little is left of it. */
static int make_room(input_object *in) {
	if (in->pos > 0) {
		memmove(in->own, in->own + in->pos, in->len - in->pos);
		in->len -= in->pos;
		in->pos = 0;
	}
	if (in->room - in->len >= STREAM_LEAST) return 0;
	Py_ssize_t room = in->room ? 2 * in->room : STREAM_ROOM;
	char *own = realloc(in->own, room);
	if (own == NULL) return -1;
	in->mem = in->own = own;
	in->room = room;
	return 0;
}

static int64_t wait_for_body(uint64_t stream, char *to, uint64_t cap) {
	PyThreadState *state = py.PyEval_SaveThread();
	int64_t n = gosrvReadBody(stream, to, cap);
	py.PyEval_RestoreThread(state);
	return n;
}

/* refill: waits for bytes of the body, at least one. The application may have handed the
 * input to a thread of its own, so the thread state is not the call's. -1 with an exception. */
static int refill(input_object *in) {
	if (in->fault == 0 && make_room(in) < 0) in->fault = ENOMEM;
	if (in->fault != 0) {
		raise_fault(in->fault);
		return -1;
	}
	uint64_t stream = in->stream;
	char *to = in->own + in->len;
	uint64_t cap = in->room - in->len;
	in->busy = 1;
	int64_t n = in->green ? green_read(in->green, stream, to, cap) : wait_for_body(stream, to, cap);
	in->busy = 0;
	if (in->mem == NULL) { /* input_detach came meanwhile and left the buffer to its user */
		free(in->own);
		in->own = NULL;
	} else if (n > 0) {
		in->len += n;
	} else if (n == 0) {
		in->ended = 1;
	} else if (n == -EINTR) {
		return py.PyErr_Occurred() ? -1 : py.PyErr_CheckSignals();
	} else {
		in->fault = (int)-n;
	}
	return 0;
}

/* stream_ahead: want bytes lie between pos and len, or all that will ever come; want < 0 is
 * all. -1 with an exception; what has come before it stays for the next read. */
int stream_ahead(input_object *in, Py_ssize_t want) {
	if (is_child || in->busy) {
		py.PyErr_SetString(py.PyExc_RuntimeError, is_child
			? "the request body belongs to the process that got the request, not to its forked child"
			: "another thread is reading wsgi.input");
		return -1;
	}
	if (in->green && !green_may_enter()) return -1;
	while (!in->ended && (want < 0 || in->len - in->pos < want))
		if (refill(in) < 0) return -1;
	return 0;
}

/* stream_detach: the call is over. What was not read is lost, and a read that is kept must
 * not take that for the end of the body. */
void stream_detach(input_object *in) {
	if (!in->ended || in->pos < in->len) {
		in->ended = 0;
		if (in->fault == 0) in->fault = ECANCELED;
	}
	in->room = 0;
}

/* stream_to_blame: the exception that is set is the one of raise_fault, and the client's
 * doing: no fault of the application. */
int stream_to_blame(input_object *in) {
	if (in->stream == 0 || in->fault == 0 || in->fault == ENOMEM) return 0;
	if (!py.PyErr_ExceptionMatches(py.PyExc_OSError)) return 0;
	PyObject *type, *value, *traceback;
	py.PyErr_Fetch(&type, &value, &traceback);
	py.PyErr_NormalizeException(&type, &value, &traceback);
	PyObject *number = value ? py.PyObject_GetAttrString(value, "errno") : NULL;
	int same = number && py.PyLong_AsLongLong(number) == in->fault;
	if (number) py.Py_DecRef(number);
	if (py.PyErr_Occurred()) py.PyErr_Clear(); /* no errno, or None */
	py.PyErr_Restore(type, value, traceback);
	return same;
}
