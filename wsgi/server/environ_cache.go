package server

import (
	"hash/maphash"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/http1"
)

// cachedEnviron is a header block that came at least twice: what parsing and packing
// made of it, and a number under which C keeps an environ to copy. A request
// with such a block costs its request line.
type cachedEnviron struct {
	head    http1.Repeat
	env     environ.Repeat
	version uint32 // changes with the block
	last    uint32 // hash of the last block that was looked up here in vain
}

// environCache is the worker's table, guarded by the lead. Number 0 is none.
type environCache struct {
	table  [cpython.CachedEnvirons]cachedEnviron
	recent uint8 // the one found last, a guess for new connections
}

// known is what a connection has to do with the table.
type known struct {
	guess   uint8 // the entry of its last request, 0: none
	number  uint8 // of the request in progress, 0: none
	version uint32
}

// parse is Policy.Parse for the bytes at hand, with a look at the entry that
// the connection's last request had.
func (t *environCache) parse(policy *http1.Policy, c *conn, r *http1.Request) error {
	n := c.known.guess
	if n == 0 {
		n = t.recent
	}
	m := &t.table[n]
	repeated, err := policy.ParseRepeat(c.in.Unread(), r, &m.head)
	c.known.number = 0
	if repeated {
		c.known = known{guess: n, number: n, version: m.version}
		t.recent = n
	}
	return err
}

// describe packs the environ of the request and returns the flags of its call.
func (s *environment) describe(l *eventLoop, c *conn, head []byte, r *http1.Request) (flags uint32, bad *http1.Error) {
	m := &l.environCache.table[c.known.number]
	// The table may have changed while the body came in.
	if c.known.number != 0 && c.known.version == m.version && m.env.Fits(&c.facts) {
		bad = s.pack.PackRepeat(head, r, &c.facts, &m.env)
		flags = s.cacheFlags(c.known.number, m.version)
	} else if bad = s.pack.Pack(head, r, &c.facts); bad == nil && !s.w.set.NoEnvironCache {
		l.environCache.learn(c, head, r, &s.pack)
	}
	if s.pack.HTTPS {
		flags |= cpython.HTTPS
	}
	if s.pack.Proxied {
		flags |= cpython.Proxied
	}
	return flags, bad
}

// cacheFlags names an entry to C, which keeps one environ a thread for it.
func (s *environment) cacheFlags(number uint8, version uint32) uint32 {
	flags := cpython.CachedEnviron(int(number))
	if s.versions[number] != version {
		s.versions[number] = version
		flags |= cpython.CachedNew
	}
	return flags
}

// learn looks a block up that was not where it was guessed to be, and remembers
// it when it comes for the second time in a row: most never do.
func (t *environCache) learn(c *conn, head []byte, r *http1.Request, p *environ.Packed) {
	block := r.Block(head)
	hash := uint32(maphash.Bytes(blockSeed, block)) // chooses a place and proves nothing: what is there is compared
	n := 1 + uint8(hash%(cpython.CachedEnvirons-1))
	m := &t.table[n]
	switch {
	case m.head.Holds(block) && m.env.Fits(&c.facts):
		c.known.guess = n
	case m.last != hash:
		m.last = hash
	case m.env.Store(p, r, &c.facts) && m.head.Store(head, r):
		m.version++
		c.known.guess = n
	}
}

// blockSeed makes the places in the table this process's secret: no client can
// aim at that of somebody else's block.
var blockSeed = maphash.MakeSeed()
