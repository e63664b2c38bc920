// Package body takes request bodies: in the read buffer, in blocks of Python's,
// in a file, or as the application reads them. It takes bytes and returns what
// came of them; the connection is its owner's to answer and to close.
package body

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/spool"
)

const (
	// MostInBuffer is the largest body, in bytes, that stays behind its head in
	// the read buffer.
	MostInBuffer = 1 << 20
	// MostInBlocks is the largest one that is kept in blocks.
	MostInBlocks = 16 << 20
	// MostLent is how much memory in read buffers and blocks a worker may hold
	// before further bodies go to files whatever their size.
	MostLent = 64 << 20
)

// Limits are where bodies go, and how large they may be, in bytes.
type Limits struct {
	Body     int64 // of any; 0: none
	InBuffer int64 // a larger one is kept in blocks
	InBlocks int64 // one larger than that goes to a file
	Memory   int   // of all buffers and blocks together
}

// Thread is the thread that takes a body, as far as Python has to do with it.
type Thread interface {
	// ReleaseGIL lets Python's other threads run, before something that may wait.
	ReleaseGIL()
	// Blocks takes blocks back and makes others, as cpython.Thread; 0: there is
	// none, or Python cannot be entered now.
	Blocks(old, made []call.BodyBlock) int
	// MayEnter tells whether Blocks would not have to wait for a call.
	MayEnter() bool
}

// Memory is where the bodies of one loop lie. One thread at a time may use it.
type Memory struct {
	Bufs   loop.Buffers
	Files  *spool.Store
	Limits Limits
	Warn   func(text string) // says what the administrator should know

	blocks blocks
	free   []*Body
}

// crowded tells that bodies hold as much memory as they may.
func (m *Memory) crowded() bool {
	return m.Bufs.Lent()+m.blocks.lent*call.BodyBlockSize > m.Limits.Memory
}

// Lent is the number of blocks that bodies have.
func (m *Memory) Lent() int { return m.blocks.lent }
