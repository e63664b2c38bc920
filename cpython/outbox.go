package cpython

import (
	"gosrv/cgo"
	"gosrv/wsgi/call"
)

// NewOutbox makes one for the life of the process; false: out of memory.
func NewOutbox() (call.Outbox, bool) { return cgo.OutboxNew() }
