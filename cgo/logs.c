/* logs.c: what Go asks the shim about log lines (pyshim: logs.py). */
#include "core.h"

void gosrv_logs_reopen(gosrv_thread *t, int fd) {
	gil_take(t);
	PyObject *number = py.PyLong_FromLong(fd);
	PyObject *done = number ? py.PyObject_VectorcallDict(shim.reopen_logs, &number, 1, NULL) : NULL;
	if (done == NULL) call_report(NULL);
	if (done) py.Py_DecRef(done);
	if (number) py.Py_DecRef(number);
	gil_give(t);
}

int gosrv_logs_route(gosrv_thread *t, uint32_t *python, int *level) {
	gil_take(t);
	PyObject *route = py.PyObject_VectorcallDict(shim.log_route, NULL, 0, NULL);
	long long found[3] = {-1, 0, 0};
	for (int i = 0; route && i < 3; i++) found[i] = py.PyLong_AsLongLong(py.PyTuple_GetItem(route, i));
	if (route == NULL) call_report(NULL);
	if (route) py.Py_DecRef(route);
	gil_give(t);
	*python = (uint32_t)found[1];
	*level = (int)found[2];
	return (int)found[0];
}
