package cpython

import (
	"gosrv/cgo"
	"gosrv/wsgi/call"
)

// Blocks drops old blocks and fills made with new ones; it gives their number, which is less only if
// there is no memory. It waits for the GIL.
func (t *Thread) Blocks(old, made []call.BodyBlock) int { return t.c.Blocks(old, made) }

// HeapTrim gives the system what the C library keeps of freed memory, that of dropped blocks for one.
// It takes milliseconds and any thread.
func HeapTrim() { cgo.HeapTrim() }
