package cpython

import (
	"sync/atomic"
	"unsafe"

	"gosrv/cgo"
)

// BlockSize is the length of a Block in bytes.
const BlockSize = cgo.BlockSize

// Block is a bytes object of BlockSize bytes that a request body is received into. An application
// that reads so many bytes at once gets the object itself.
type Block cgo.Block

// Bytes is the block's memory. It may be written while the block is Idle.
func (b Block) Bytes() []byte { return unsafe.Slice(b.Mem, BlockSize) }

// Idle tells that nobody but the caller, who has one, holds a reference to the block. Nobody else can
// come by one then, so the GIL is not needed to know.
func (b Block) Idle() bool { return atomic.LoadUint32((*uint32)(b.Object)) == 1 }

// Blocks drops old ones and fills made with new ones; it gives their number, which is less only if
// there is no memory. It waits for the GIL.
func (t *Thread) Blocks(old, made []Block) int {
	return t.c.Blocks(raw(old), raw(made))
}

func raw(b []Block) []cgo.Block {
	return unsafe.Slice((*cgo.Block)(unsafe.SliceData(b)), len(b))
}

// HeapTrim gives the system what the C library keeps of freed memory, that of dropped blocks for one.
// It takes milliseconds and any thread.
func HeapTrim() { cgo.HeapTrim() }
