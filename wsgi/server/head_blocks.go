package server

import (
	"hash/maphash"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

// headBlock is a header block that came at least twice: what parsing made of it, and a number under which the
// caller may keep what it has made of it. A request with such a block costs its request line.
type headBlock struct {
	head    http1.Repeat
	version uint32 // changes with the block
	last    uint32 // hash of the last block that was looked up here in vain
}

// headBlocks is the worker's table, guarded by the lead. Number 0 is none.
type headBlocks struct {
	table  [call.BlockNumbers]headBlock
	recent uint8 // the one found last, a guess for new connections
}

// known is what a connection has to do with the table.
type known struct {
	guess uint8      // the entry of its last request, 0: none
	block call.Block // of the request in progress
}

// parse is Policy.Parse for the bytes at hand, with a look at the entry that
// the connection's last request had.
func (t *headBlocks) parse(policy *http1.Policy, c *conn, r *http1.Request) error {
	n := c.known.guess
	if n == 0 {
		n = t.recent
	}
	m := &t.table[n]
	repeated, err := policy.ParseRepeat(c.in.Unread(), r, &m.head)
	c.known.block = call.Block{}
	if repeated {
		c.known = known{n, call.Block{Number: n, Version: m.version}}
		t.recent = n
	}
	return err
}

// number names the block of a request that is to be called; the zero value if it came only once so far, or does
// not mean what it means in other requests: the target outranks the Host field (RFC 9112 3.2.2).
func (t *headBlocks) number(c *conn, head []byte, r *http1.Request) call.Block {
	if r.Form != http1.Origin {
		return call.Block{}
	}
	b := c.known.block
	// The table may have changed while the body came in.
	if b.Number == 0 || t.table[b.Number].version != b.Version {
		b = t.learn(c, head, r)
	}
	return b
}

// learn looks a block up that was not where it was guessed to be, and remembers
// it when it comes for the second time in a row: most never do.
func (t *headBlocks) learn(c *conn, head []byte, r *http1.Request) call.Block {
	block := r.Block(head)
	hash := uint32(maphash.Bytes(blockSeed, block)) // chooses a place and proves nothing: what is there is compared
	n := 1 + uint8(hash%(call.BlockNumbers-1))
	m := &t.table[n]
	switch {
	case m.head.Holds(block):
	case m.last != hash:
		m.last = hash
		return call.Block{}
	case m.head.Store(head, r):
		m.version++
	default:
		return call.Block{}
	}
	c.known.guess = n
	return call.Block{Number: n, Version: m.version}
}

// blockSeed makes the places in the table this process's secret: no client can
// aim at that of somebody else's block.
var blockSeed = maphash.MakeSeed()
