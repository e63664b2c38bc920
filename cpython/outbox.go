package cpython

import "gosrv/cgo"

// Unsent is what a socket has not taken of an answer that was in the outbox.
type Unsent = cgo.Unsent

// Outbox holds finished answers that are to be sent together. Put keeps a copy until Send; if that
// takes longer than a millisecond, a thread that needs neither the GIL nor Go sends it meanwhile.
// Put gives false, and keeps nothing, when there is no room or no such thread. Send(n), where n is how
// many were put, gives what the sockets have not taken, in the order of Put; it is valid until the
// next Put. One thread at a time.
type Outbox = cgo.Outbox

// NewOutbox makes one for the life of the process; false: out of memory.
func NewOutbox() (Outbox, bool) { return cgo.OutboxNew() }
