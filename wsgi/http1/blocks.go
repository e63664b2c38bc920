package http1

import "hash/maphash"

// BlockNumbers is how many numbers there are for header blocks; 0 is none.
const BlockNumbers = 64

// Block names a header block that came before: two requests with the same number and version have the same one,
// byte for byte, and their targets are in origin-form. The zero value says nothing.
type Block struct {
	Number  uint8
	Version uint32
}

// Blocks remembers header blocks that come again: a request with one of them costs its request line. It numbers
// them, so that others can keep what they have made of one. The zero value remembers nothing. Not for two
// goroutines at a time.
type Blocks struct {
	table  [BlockNumbers]numberedBlock
	recent uint8 // the one found last, a guess for new connections
}

type numberedBlock struct {
	head    Repeat
	version uint32 // changes with the block
	last    uint32 // hash of the last block that was looked up here in vain
}

// Known is what a connection has to do with Blocks.
type Known struct {
	guess uint8 // the block of its last request, 0: none
	block Block // of the request in progress
}

// Parse is Policy.Parse with a look at the block that the connection's last request had.
func (t *Blocks) Parse(p *Policy, buf []byte, r *Request, k *Known) error {
	n := k.guess
	if n == 0 {
		n = t.recent
	}
	m := &t.table[n]
	repeated, err := p.ParseRepeat(buf, r, &m.head)
	k.block = Block{}
	if repeated {
		*k = Known{n, Block{Number: n, Version: m.version}}
		t.recent = n
	}
	return err
}

// Number names the block of a parsed request; the zero value if it came only once so far, or does not mean what
// it means in other requests: the target outranks the Host field (RFC 9112 3.2.2).
func (t *Blocks) Number(buf []byte, r *Request, k *Known) Block {
	if r.Form != Origin {
		return Block{}
	}
	b := k.block
	// The table may have changed while the body came in.
	if b.Number == 0 || t.table[b.Number].version != b.Version {
		b = t.learn(buf, r, k)
	}
	return b
}

// learn looks a block up that was not where it was guessed to be, and remembers
// it when it comes for the second time in a row: most never do.
func (t *Blocks) learn(buf []byte, r *Request, k *Known) Block {
	block := r.Block(buf)
	hash := uint32(maphash.Bytes(blockSeed, block)) // chooses a place and proves nothing: what is there is compared
	n := 1 + uint8(hash%(BlockNumbers-1))
	m := &t.table[n]
	switch {
	case m.head.Holds(buf, r):
	case m.last != hash:
		m.last = hash
		return Block{}
	case m.head.Store(buf, r):
		m.version++
	default:
		return Block{}
	}
	k.guess = n
	return Block{Number: n, Version: m.version}
}

// blockSeed makes the places in the table this process's secret: no client can
// aim at that of somebody else's block.
var blockSeed = maphash.MakeSeed()
