// Package wsgi is one worker: it serves HTTP/1.x on an epoll loop and runs the
// WSGI application. DESIGN.md follows a request from the socket and back.
package wsgi

import "gosrv/cpython"

// Application is one thread's door to the WSGI application; *cpython.Thread is
// one. What is lent to a method is lent until it returns; a Result's Ref stays
// valid until the next method for the same call. Only the thread that the door
// belongs to may use it.
type Application interface {
	Call(r *cpython.Request, res *cpython.Result) cpython.State
	Next(flags uint32, out []byte, res *cpython.Result) cpython.State
	Batch(flags uint32, out []byte, end int, left int64, res *cpython.Result) cpython.State
	Finish(res *cpython.Result)
	RunSignals() cpython.Flags
	Release()
	Blocks(old, made []cpython.Block) int
	DropPages()
}
