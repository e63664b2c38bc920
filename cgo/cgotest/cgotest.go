// Package cgotest holds the bodies of tests that need import "C", which the go tool
// refuses in _test.go files. It starts a real interpreter inside the test process.
package cgotest

/*
#cgo CFLAGS: -I${SRCDIR}/.. -Wall -Wextra -Werror -std=gnu11
#include <stdlib.h>
#include "cgotest.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"gosrv/cgo"
)

// MissingSymbol loads the libpython at path without starting it and returns the first
// symbol that gosrv needs and it lacks, "" if none.
func MissingSymbol(path string) string {
	c := C.CString(path)
	defer C.free(unsafe.Pointer(c))
	return C.GoString(C.test_missing_symbol(c))
}

// Start loads libpython and starts the interpreter of python. Once a process; the caller
// stays locked to its OS thread.
func Start(library, python string) error {
	l, p := C.CString(library), C.CString(python)
	defer C.free(unsafe.Pointer(l))
	defer C.free(unsafe.Pointer(p))
	if reason := C.GoString(C.test_start(l, p)); reason != "" {
		return fmt.Errorf("starting %s: %s", library, reason)
	}
	cgo.SetCallbacks(cgo.Callbacks{ReadBody: func(_ uint64, buf []byte) int {
		return int(C.test_piece((*C.char)(unsafe.Pointer(unsafe.SliceData(buf))), C.uint64_t(len(buf))))
	}})
	return nil
}

// Run executes Python code with the module _gosrv_test; false means that it raised (the
// traceback is on stderr).
func Run(code string) bool {
	c := C.CString(code)
	defer C.free(unsafe.Pointer(c))
	return C.test_run(c) == 0
}

// Object makes a Python object with so many references; counted is how many C sees.
func Object(references int) (o unsafe.Pointer, counted uint32) {
	var n C.uint32_t
	o = C.test_object(C.int(references), &n)
	return o, uint32(n)
}

// BreakLeafRule enters Python from inside of a leaf call. It does not return.
func BreakLeafRule() { C.test_leaf_rule() }

// Refs are the references that C counted as taken and dropped.
func Refs() (taken, dropped uint64) {
	return uint64(C.test_refs_taken()), uint64(C.test_refs_dropped())
}

// Batches runs the tests of transmit.h; a text says what is wrong.
func Batches() map[string]string {
	return map[string]string{
		"what is offered leaves": C.GoString(C.test_batch_leaves()),
		"a client that is gone":  C.GoString(C.test_batch_to_nobody()),
		"flush":                  C.GoString(C.test_batch_flush()),
		"order":                  C.GoString(C.test_batches_in_order()),
		"no offer sleeps":        C.GoString(C.test_batch_wakes()),
	}
}

// Litmus runs the shape of memory order of that number, with weaker orders if
// weak, and tells how often its forbidden outcome was seen. "": there is none.
func Litmus(number int, weak bool) (shape string, seen int64) {
	var n C.int64_t
	w := C.int(0)
	if weak {
		w = 1
	}
	name := C.test_litmus(C.int(number), w, &n)
	if name == nil {
		return "", 0
	}
	return C.GoString(name), int64(n)
}

// ChunkLine is the size line of a chunk as C writes it.
func ChunkLine(n int) []byte {
	var line [32]byte
	return line[:C.test_chunk_line(C.uint64_t(n), (*C.char)(unsafe.Pointer(&line)))]
}

// RequestLayouts gives size and field offsets of gosrv_request in C and of cgo.Numbers.
func RequestLayouts() (inC, inGo []uintptr) {
	offsets := make([]C.size_t, 10)
	C.test_request_layout(&offsets[0])
	for _, o := range offsets {
		inC = append(inC, uintptr(o))
	}
	var n cgo.Numbers
	inGo = []uintptr{
		unsafe.Sizeof(n), unsafe.Offsetof(n.Stream), unsafe.Offsetof(n.BodyLen), unsafe.Offsetof(n.Cap), unsafe.Offsetof(n.HeadLen), unsafe.Offsetof(n.Base),
		unsafe.Offsetof(n.Headers), unsafe.Offsetof(n.BodyFD), unsafe.Offsetof(n.Connection), unsafe.Offsetof(n.Flags),
	}
	return inC, inGo
}

// ResultLayouts gives size and field offsets of gosrv_result in C and of cgo.Result.
func ResultLayouts() (inC, inGo []uintptr) {
	offsets := make([]C.size_t, 19)
	C.test_result_layout(&offsets[0])
	for _, o := range offsets {
		inC = append(inC, uintptr(o))
	}
	var r cgo.Result
	inGo = []uintptr{
		unsafe.Sizeof(r), unsafe.Offsetof(r.HeadLen), unsafe.Offsetof(r.BodyOff), unsafe.Offsetof(r.BodyLen),
		unsafe.Offsetof(r.FD), unsafe.Offsetof(r.Ref), unsafe.Offsetof(r.RefLen), unsafe.Offsetof(r.Total),
		unsafe.Offsetof(r.Need), unsafe.Offsetof(r.FileOff), unsafe.Offsetof(r.FileLen), unsafe.Offsetof(r.Handle), unsafe.Offsetof(r.Now),
		unsafe.Offsetof(r.Notes), unsafe.Offsetof(r.NotesLen), unsafe.Offsetof(r.Sent), unsafe.Offsetof(r.Iterates), unsafe.Offsetof(r.Payload), unsafe.Offsetof(r.Ends),
	}
	return inC, inGo
}
