package caller

import (
	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

// cachedEnviron is what packing made of a header block that the server has numbered. C keeps an environ to copy
// for each of them, one a thread.
type cachedEnviron struct {
	env   environ.Repeat
	block uint32 // the version of that block
	made  uint32 // changes with env
}

// pack makes the environ of a request in the thread's memory, from the cache if its block is there.
func (t *Description) pack(r *call.Request, facts *environ.Facts) *http1.Error {
	n := r.Block.Number
	m := &t.c.cache[n]
	if n != 0 && m.block == r.Block.Version && m.env.Fits(facts) {
		t.flags = t.cacheFlags(n, m.made)
		return t.packed.PackRepeat(r.Head, r.Parsed, facts, &m.env)
	}
	bad := t.packed.Pack(r.Head, r.Parsed, facts)
	if n != 0 && bad == nil && m.env.Store(&t.packed, r.Parsed, facts) {
		m.block = r.Block.Version
		m.made++
	}
	return bad
}

// cacheFlags names an entry to C, which keeps one environ a thread for it.
func (t *Description) cacheFlags(number uint8, made uint32) uint32 {
	flags := cpython.CachedEnviron(int(number))
	if t.made[number] != made {
		t.made[number] = made
		flags |= cpython.CachedNew
	}
	return flags
}
