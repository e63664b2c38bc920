package body

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
)

const (
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
// as the copy. Together with the read buffers they stay below Limits.Memory.
type blocks struct {
	free []call.BodyBlock // the one used last is lent first
	kept []call.BodyBlock // given back while the application held on to them
	lent int
	used int64 // CLOCK_MONOTONIC ns of the last use; 0: there are no blocks
}

// getBlock lends a block; false if there is none, for want of memory or because
// the application would have to be waited for.
func (m *Memory) getBlock(by Thread) (call.BodyBlock, bool) {
	p := &m.blocks
	if len(p.free) == 0 && !m.makeBlocks(by) {
		return call.BodyBlock{}, false
	}
	for {
		n := len(p.free) - 1
		b := p.free[n]
		p.free = p.free[:n]
		if b.Idle() {
			p.lent++
			p.used = loop.Now()
			return b, true
		}
		p.kept = append(p.kept, b)
		if n == 0 && !m.makeBlocks(by) {
			return call.BodyBlock{}, false
		}
	}
}

// makeBlocks fetches some from Python, as far as there is room.
func (m *Memory) makeBlocks(by Thread) bool {
	p := &m.blocks
	room := (m.Limits.Memory-m.Bufs.Lent())/call.BodyBlockSize - p.lent
	if room <= 0 || !by.MayEnter() {
		return false
	}
	var made [blockBatch]call.BodyBlock
	n := by.Blocks(p.kept, made[:min(room, blockBatch)])
	p.kept = p.kept[:0]
	p.free = append(p.free, made[:n]...)
	return n > 0
}

// putBlocks takes blocks back.
func (m *Memory) putBlocks(b []call.BodyBlock) {
	p := &m.blocks
	p.lent -= len(b)
	p.used = loop.Now()
	p.free = append(p.free, b...) // the last ones are in the processor's cache: they are lent first
}

// NextDrop is when DropBlocks is wanted even if nothing happens, CLOCK_MONOTONIC
// ns.
func (m *Memory) NextDrop() int64 {
	if m.blocks.used == 0 {
		return math.MaxInt64
	}
	return m.blocks.used + blockRest
}

// DropBlocks gives Python back what was not used for a while. It reports whether
// there is memory for the system.
func (m *Memory) DropBlocks(by Thread, now int64) bool {
	p := &m.blocks
	if now < m.NextDrop() {
		return false
	}
	p.used = 0
	if len(p.free)+len(p.kept) == 0 {
		return false
	}
	if !by.MayEnter() {
		p.used = now // later
		return false
	}
	by.Blocks(append(p.kept, p.free...), nil)
	p.kept, p.free = nil, nil
	return true
}

// addBlock makes room behind what a body in blocks has.
func (b *Body) addBlock(by Thread) bool {
	block, ok := b.m.getBlock(by)
	if ok {
		b.blocks = append(b.blocks, block)
	}
	return ok
}

// intoBlocks appends p to a body; false: there was no block, and nothing of p
// was taken.
func (b *Body) intoBlocks(by Thread, p []byte) bool {
	for int64(len(b.blocks))*call.BodyBlockSize < b.put+int64(len(p)) {
		if !b.addBlock(by) {
			return false
		}
	}
	for len(p) > 0 {
		n := copy(b.blocks[b.put/call.BodyBlockSize].Bytes()[b.put%call.BodyBlockSize:], p)
		b.put += int64(n)
		p = p[n:]
	}
	return true
}

// Recv reads once from the socket into blocks: the rest of a body of known
// length, and what comes behind it into the buffer, so that a read that empties
// the socket shows as one. It returns how many bytes were read and how many would
// have found room. No room: the body is not in blocks, or in a file from now on,
// and the buffer is to be read into.
func (b *Body) Recv(by Thread, wire *loop.Transport) (n, room int, e unix.Errno, bad *Refusal) {
	if b.store != inBlocks || b.want < 0 {
		return 0, 0, loop.None, nil
	}
	var iov [blockStep + 1]unix.Iovec
	used := 0
	left := b.want - b.put
	// Who sends little gets little.
	for most := min(blockStep, len(b.blocks)); used < most && int64(room) < left; used++ {
		i := int((b.put + int64(room)) / call.BodyBlockSize)
		if i == len(b.blocks) && !b.addBlock(by) {
			break
		}
		part := b.blocks[i].Bytes()[(b.put+int64(room))%call.BodyBlockSize:]
		part = part[:min(int64(len(part)), left-int64(room))]
		iov[used].Base = &part[0]
		iov[used].SetLen(len(part))
		room += len(part)
	}
	if room == 0 {
		return 0, 0, loop.None, b.spill(by)
	}
	if tail := b.in.Room(); int64(room) == left && len(tail) > 0 {
		iov[used].Base = &tail[0]
		iov[used].SetLen(len(tail))
		used++
		room += len(tail)
	}
	n, e = wire.Recvv(iov[:used])
	body := min(int64(n), left)
	b.put += body
	b.got += body
	b.in.Add(n - int(body))
	return n, room, e, nil
}

// spill moves a body from blocks to a file.
func (b *Body) spill(by Thread) *Refusal {
	if bad := b.openFile(by); bad != nil {
		return bad
	}
	left := b.put
	for _, block := range b.blocks {
		n := min(left, call.BodyBlockSize)
		if n > 0 {
			if bad := b.writeFile(by, block.Bytes()[:n]); bad != nil {
				return bad
			}
		}
		left -= n
	}
	b.m.putBlocks(b.blocks)
	b.blocks = b.blocks[:0]
	return nil
}
