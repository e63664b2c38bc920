package wsgi

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cpython"
	"gosrv/wsgi/loop"
)

const (
	// blockBody is the largest body, in bytes, that is kept in blocks.
	blockBody = 16 << 20
	// blockStep is how many blocks a read fills at most, and blockBatch how
	// many are made at once.
	blockStep  = 4
	blockBatch = 16
	// blockRest is how long, in ns, free blocks are kept after the last use.
	blockRest = int64(time.Second)
)

// blocks is the memory for bodies of some MiB: bytes objects of Python's that
// the socket is read into, and that the application gets without another copy
// if it reads as much at a time. They are used again: fresh memory costs as much
// as the copy. Together with the read buffers they stay below maxLent.
type blocks struct {
	free []cpython.Block // the one used last is lent first
	kept []cpython.Block // given back while the application held on to them
	lent int
	used int64 // CLOCK_MONOTONIC ns of the last use; 0: there are no blocks
}

// entersPython tells whether this thread may wait for the GIL to get memory: not
// while a call is running that may keep it for long.
func (s *slot) entersPython() bool {
	return s.app != nil && (s.w.pool.size == 1 || s.l.gate.engaged == 0)
}

// getBlock lends a block; false if there is none, for want of memory or because
// the application would have to be waited for.
func (s *slot) getBlock() (cpython.Block, bool) {
	w := s.l
	p := &w.blocks
	if len(p.free) == 0 && !s.makeBlocks() {
		return cpython.Block{}, false
	}
	for {
		n := len(p.free) - 1
		b := p.free[n]
		p.free = p.free[:n]
		if b.Idle() {
			p.lent++
			p.used = w.now
			return b, true
		}
		p.kept = append(p.kept, b)
		if n == 0 && !s.makeBlocks() {
			return cpython.Block{}, false
		}
	}
}

// makeBlocks fetches some from Python, as far as there is room.
func (s *slot) makeBlocks() bool {
	w := s.l
	p := &w.blocks
	room := (w.set.memory-w.bufs.Lent())/cpython.BlockSize - p.lent
	if room <= 0 || !s.entersPython() {
		return false
	}
	var made [blockBatch]cpython.Block
	n := s.app.Blocks(p.kept, made[:min(room, blockBatch)])
	p.kept = p.kept[:0]
	p.free = append(p.free, made[:n]...)
	return n > 0
}

// putBlocks takes blocks back.
func (w *eventLoop) putBlocks(b []cpython.Block) {
	p := &w.blocks
	p.lent -= len(b)
	p.used = w.now
	p.free = append(p.free, b...) // the last ones are in the processor's cache: they are lent first
}

// next is when dropBlocks is wanted even if nothing happens.
func (p *blocks) next() int64 {
	if p.used == 0 {
		return math.MaxInt64
	}
	return p.used + blockRest
}

// dropBlocks gives Python back what was not used for a while. It reports whether
// there is memory for the system.
func (s *slot) dropBlocks() bool {
	p := &s.l.blocks
	if s.l.now < p.next() {
		return false
	}
	p.used = 0
	if len(p.free)+len(p.kept) == 0 {
		return false
	}
	if !s.entersPython() {
		p.used = s.l.now // later
		return false
	}
	s.app.Blocks(append(p.kept, p.free...), nil)
	p.kept, p.free = nil, nil
	return true
}

// startBlocks has a body lie in blocks from now on.
func (s *slot) startBlocks(c *conn) bool {
	b, ok := s.getBlock()
	if ok {
		c.body.split = true
		c.body.blocks = append(c.body.blocks, b)
	}
	return ok
}

// addBlock makes room behind what a body in blocks has.
func (s *slot) addBlock(b *incoming) bool {
	block, ok := s.getBlock()
	if ok {
		b.blocks = append(b.blocks, block)
	}
	return ok
}

// intoBlocks appends p to a body; false: there was no block, and nothing of p
// was taken.
func (s *slot) intoBlocks(b *incoming, p []byte) bool {
	for int64(len(b.blocks))*cpython.BlockSize < b.put+int64(len(p)) {
		if !s.addBlock(b) {
			return false
		}
	}
	for len(p) > 0 {
		n := copy(b.blocks[b.put/cpython.BlockSize].Bytes()[b.put%cpython.BlockSize:], p)
		b.put += int64(n)
		p = p[n:]
	}
	return true
}

// recvBlocks reads once: the rest of a body of known length into blocks, and
// what comes behind it into the buffer, so that a read that empties the socket
// shows as one. It gives how many bytes it has read and could have; no room at
// all means that there are no blocks.
func (s *slot) recvBlocks(c *conn) (n, room int, e unix.Errno) {
	b := c.body
	var iov [blockStep + 1]unix.Iovec
	used := 0
	left := b.want - b.put
	// Who sends little gets little.
	for most := min(blockStep, len(b.blocks)); used < most && int64(room) < left; used++ {
		i := int((b.put + int64(room)) / cpython.BlockSize)
		if i == len(b.blocks) && !s.addBlock(b) {
			break
		}
		part := b.blocks[i].Bytes()[(b.put+int64(room))%cpython.BlockSize:]
		part = part[:min(int64(len(part)), left-int64(room))]
		iov[used].Base = &part[0]
		iov[used].SetLen(len(part))
		room += len(part)
	}
	if room == 0 {
		return 0, 0, loop.None
	}
	if tail := c.in.Room(); int64(room) == left && len(tail) > 0 {
		iov[used].Base = &tail[0]
		iov[used].SetLen(len(tail))
		used++
		room += len(tail)
	}
	n, e = c.wire.Recvv(iov[:used])
	body := min(int64(n), left)
	b.put += body
	b.got += body
	c.in.Add(n - int(body))
	return n, room, e
}

// spill moves a body from blocks to a file.
func (s *slot) spill(c *conn) bool {
	if !s.startSpool(c) {
		return false
	}
	b := c.body
	left := b.put
	for _, block := range b.blocks {
		n := min(left, cpython.BlockSize)
		if n > 0 && !s.spool(c, block.Bytes()[:n]) {
			return false
		}
		left -= n
	}
	s.l.putBlocks(b.blocks)
	b.blocks, b.split = b.blocks[:0], false
	return true
}
