/* green_wait.c: greenlets that wait for Go: for room in a socket, for a body. Their stacks are copied away and back
 * between two leaf calls, never inside of one. */
#include "green.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

hub_calls hub;
int green_on, leaf_inside;
static pthread_t main_of;

void leaf_broken(const char *what) {
	fprintf(stderr, "gosrv: %s while Go is entered on this stack: Go's frame would be copied away from under it\n", what);
	abort();
}

/* green_adopt: the shim's adaptor; -1 with an exception. On the main thread. */
int green_adopt(PyObject *adaptor) {
	struct { const char *name; PyObject **to; } parts[] = {
		{"run", &hub.run}, {"park", &hub.park}, {"getcurrent", &hub.getcurrent}, {"spawn", &hub.spawn},
		{"throw", &hub.throw}, {"later", &hub.later}, {"finish", &hub.finish}, {"exit_class", &hub.exit_class}};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if ((*parts[i].to = py.PyObject_GetAttrString(adaptor, parts[i].name)) == NULL) return -1;
	main_of = pthread_self();
	green_keep_frames();
	green_on = 1;
	return 0;
}

int green_may_enter(void) {
	if (!is_child && pthread_equal(pthread_self(), main_of)) return 1;
	py.PyErr_SetString(py.PyExc_RuntimeError, is_child
		? "the request belongs to the process that got it, not to its forked child"
		: "the request belongs to the event loop's thread: a thread of a pool cannot wait for its client");
	return 0;
}

int green_park(PyObject **place) {
	PyObject *me = py.PyObject_VectorcallDict(hub.getcurrent, NULL, 0, NULL);
	if (me == NULL) return -1;
	if (*place != NULL) {
		py.PyErr_SetString(py.PyExc_RuntimeError, "another greenlet waits for the same of this request");
		py.Py_DecRef(me);
		return -1;
	}
	int failed = 0;
	for (*place = me; *place == me && !failed;) {
		if (leaf_inside) leaf_broken("a greenlet waits");
		PyObject *none = py.PyObject_VectorcallDict(hub.park, NULL, 0, NULL);
		failed = none == NULL; /* it may have been woken for another reason: then it goes on waiting */
		if (none != NULL) py.Py_DecRef(none);
	}
	if (*place == me) *place = NULL;
	py.Py_DecRef(me);
	return failed ? -1 : 0;
}

void green_wake(PyObject **place) {
	PyObject *sleeper = *place;
	if (sleeper == NULL) return;
	*place = NULL;
	py.Py_IncRef(sleeper);
	PyObject *go = py.PyObject_GetAttrString(sleeper, "switch");
	PyObject *none = go ? py.PyObject_VectorcallDict(go, NULL, 0, NULL) : NULL;
	if (none == NULL) call_report(NULL);
	if (none != NULL) py.Py_DecRef(none);
	if (go != NULL) py.Py_DecRef(go);
	py.Py_DecRef(sleeper);
}
