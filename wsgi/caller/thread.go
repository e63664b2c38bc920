package caller

import (
	"gosrv/cpython"
	"gosrv/wsgi/call"
)

// Thread is one thread's door to the application.
type Thread struct {
	*cpython.Thread
	Description
	python interface { // Thread, but for tests
		Call(r *cpython.Request, res *call.Result) call.State
	}
	request cpython.Request // here, since it would be made on the heap for each call
}

// Call runs the application for the request that was described last, which is r.
func (t *Thread) Call(r *call.Request, res *call.Result) call.State {
	flags := t.flags
	if r.KeepGIL {
		flags |= cpython.KeepGIL
	}
	t.request = cpython.Request{
		Base: t.listener.base, Head: r.Head, Extra: t.packed.Extra, Desc: t.packed.Desc, Headers: t.packed.Headers,
		Flags: flags, Body: r.Body, Connection: r.Socket, Out: r.Out,
	}
	state := t.python.Call(&t.request, res)
	t.request.Head = nil // the read buffer is the connection's
	return state
}
