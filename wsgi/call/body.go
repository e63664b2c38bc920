package call

import (
	"sync/atomic"
	"unsafe"
)

// Body is a complete request body: Mem, Blocks that are filled in order, or an unlinked spool file
// when FD >= 0. All stay the server's. Len is in bytes. With Stream, which is not 0 then, it is a body
// that still comes: Server.ReadBody is asked for it by that number.
type Body struct {
	Mem    []byte
	Blocks []BodyBlock
	FD     int
	Len    int64
	Stream uint64
}

// BodyBlockSize is the length of a BodyBlock in bytes.
const BodyBlockSize = 65536

// BodyBlock is a bytes object of BodyBlockSize bytes that a request body is received into. An application
// that reads so many bytes at once gets the object itself. The holder has a reference. Its layout is that of gosrv_block.
type BodyBlock struct {
	Object unsafe.Pointer // begins with its count of references; see References
	Mem    *byte
}

// Bytes is the block's memory. It may be written while the block is Idle.
func (b BodyBlock) Bytes() []byte { return unsafe.Slice(b.Mem, BodyBlockSize) }

// Idle tells that nobody but the caller, who has one, holds a reference to the block. Nobody else can
// come by one then, so the GIL is not needed to know.
func (b BodyBlock) Idle() bool { return References(b.Object) == 1 }

// TwoCounts tells that this Python counts the references to an object in two parts, those of the thread that made it and
// those of all others, as free-threaded builds do. It is set once, before the first block is made.
var TwoCounts bool

// Where the two are in such an object, in bytes.
const (
	ownCount    = 12
	sharedCount = 16 // with two bits below it that are flags
)

// References is how many there are to the Python object at o, as cgo/pyapi.h reads it.
func References(o unsafe.Pointer) uint32 {
	if !TwoCounts {
		return atomic.LoadUint32((*uint32)(o))
	}
	return atomic.LoadUint32((*uint32)(unsafe.Add(o, ownCount))) + uint32(atomic.LoadInt64((*int64)(unsafe.Add(o, sharedCount)))>>2)
}

// Outbox holds finished answers that are to be sent together. Put keeps a copy until Send; if that
// takes longer than a millisecond, a thread that needs neither the GIL nor Go sends it meanwhile.
// Put gives false, and keeps nothing, when there is no room or no such thread. Send(n), where n is how
// many were put, gives what the sockets have not taken, in the order of Put; it is valid until the
// next Put. One thread at a time.
type Outbox interface {
	Put(fd int, answer []byte) bool
	Send(n int) []Unsent
}

// Unsent is what a socket has not taken of an answer that was in the outbox. Its layout is that of gosrv_unsent.
type Unsent struct {
	First *byte
	Len   uint64
	Errno int64 // not 0: the socket will never take it
}

// Bytes are lent until the next Put.
func (u *Unsent) Bytes() []byte { return unsafe.Slice(u.First, u.Len) }
