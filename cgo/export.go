package cgo

/*
#include "gosrv.h"
*/
import "C"

import (
	"unsafe"

	"gosrv/wsgi/call"
)

// Callbacks are the Go ends of what the application calls while it runs. They are set
// once, before the first AppCall, and run on the calling thread with the GIL released.
// Slices are C or Python memory, lent for the call. ReadBody waits for bytes of a body that
// still comes and gives their number, 0 at its end, or a negative errno: EINTR asks to look
// for signals and to call again. Socket is cpython.Callbacks.Socket. Both run on threads of the
// application, too.
type Callbacks struct {
	Write      func(slot int, batch call.Batch, head, data []byte) bool
	EarlyHints func(slot int, head []byte) bool
	ReadBody   func(stream uint64, buf []byte) int
	Socket     func(slot int, use call.SocketUse, buf []byte) int
	Thread     func(slot int, t Thread)
}

var callbacks Callbacks

// workerEntry is the worker's Go entry.
var workerEntry func()

// SetWorkerEntry names the worker's Go entry. It is called while packages initialise, in
// whatever order, and entered later by whoever starts the worker.
func SetWorkerEntry(run func()) { workerEntry = run }

// SetCallbacks installs c for the life of the process.
func SetCallbacks(c Callbacks) { callbacks = c }

//export gosrvWrite
func gosrvWrite(slot C.int, sent, end, payload C.uint64_t, head *C.char, headLen C.uint32_t, data *C.char, n C.uint64_t) C.int {
	batch := call.Batch{Sent: uint64(sent), End: uint64(end), Payload: uint64(payload)}
	if callbacks.Write(int(slot), batch, bytesOf(head, uint64(headLen)), bytesOf(data, uint64(n))) {
		return 1
	}
	return 0
}

//export gosrvEarlyHints
func gosrvEarlyHints(slot C.int, head *C.char, headLen C.uint32_t) C.int {
	if callbacks.EarlyHints(int(slot), bytesOf(head, uint64(headLen))) {
		return 1
	}
	return 0
}

//export gosrvReadBody
func gosrvReadBody(stream C.uint64_t, buf *C.char, n C.uint64_t) C.int64_t {
	return C.int64_t(callbacks.ReadBody(uint64(stream), bytesOf(buf, uint64(n))))
}

//export gosrvSocket
func gosrvSocket(slot, use C.int, buf *C.char, n C.uint64_t) C.int64_t {
	return C.int64_t(callbacks.Socket(int(slot), call.SocketUse(use), bytesOf(buf, uint64(n))))
}

//export gosrvThreadEnter
func gosrvThreadEnter(slot C.int, thread unsafe.Pointer) {
	callbacks.Thread(int(slot), threadOf((*C.gosrv_thread)(thread)))
}

// gosrvWorkerEnter is the worker's Go entry where the binary is no executable but a
// library in the user's python (design: static Pythons). It does not return.
//
//export gosrvWorkerEnter
func gosrvWorkerEnter() { workerEntry() }

func bytesOf(p *C.char, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), n)
}
