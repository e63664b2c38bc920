package wsgi

import (
	"math"
	"os"
	"runtime/debug"
	"time"

	"gosrv/cpython"
	"gosrv/wsgi/server"
)

const (
	// burst is how many bytes of buffers a worker may give up without a thought.
	burst = 4 << 20
	// burstRest is how long after that the memory goes back to the system: a
	// burst that goes on would only fetch it again.
	burstRest = time.Second
	// calm is for how long buffers must not have been needed to be given up.
	calm = 5 * time.Second
	// restPercent is GOGC of a worker between bursts. It keeps half a megabyte
	// in Go and allocates a few bytes a request: by Go's own measure they would
	// add up to 4 MB in each worker before they are collected.
	restPercent = 25
	// burstPercent is Go's own: while large buffers come and go, collecting
	// four times as often would be work for each of them.
	burstPercent = 100
)

// ownPercent is false where the user has set GOGC, which is obeyed then.
var ownPercent = os.Getenv("GOGC") == ""

func collectAt(percent int) {
	if ownPercent {
		debug.SetGCPercent(percent)
	}
}

// idleMemory gives the memory of a burst of large bodies back. A worker that rests
// allocates nothing, so the collector, left alone, would keep it for minutes.
type idleMemory struct {
	dropped int   // bytes given up since the last time
	due     int64 // CLOCK_MONOTONIC ns; 0: nothing to do
	trim    int64 // when buffers that nobody has needed go, CLOCK_MONOTONIC ns; 0: there are few
	settle  int64 // when what the start has left goes, CLOCK_MONOTONIC ns; 0: it has gone
}

var _ server.IdleMemory = (*idleMemory)(nil)

// Begin is called once, when the worker is ready: what the start has left of Go's
// memory goes first, and then the pages of code that only a start runs through.
func (p *idleMemory) Begin(now int64) (next int64) {
	p.due, p.settle = now+int64(burstRest)/2, now+int64(burstRest)
	return p.next()
}

// Look is server.IdleMemory's.
func (p *idleMemory) Look(t server.Resting, now int64, dropped int, freed, swollen bool) (next int64) {
	p.settled(t, now)
	if swollen {
		p.trim = now + int64(calm)
	}
	if p.trim != 0 && now >= p.trim {
		bytes, again := t.TrimBuffers()
		if p.trim = 0; again {
			p.trim = now + int64(calm)
		}
		if bytes > 0 && p.due == 0 {
			p.due = now
		}
	}
	if freed {
		go cpython.HeapTrim() // as below
	}
	switch {
	case p.due == 0:
		if p.dropped += dropped; p.dropped > burst {
			p.due = now + int64(burstRest)
			collectAt(burstPercent)
		}
	case now >= p.due:
		p.dropped, p.due = 0, 0
		go func() {
			collectAt(restPercent)
			debug.FreeOSMemory() // it takes milliseconds, and another thread
			cpython.HeapTrim()   // what an import has freed, too
		}()
	}
	return p.next()
}

// settled drops the pages of the start, once.
func (p *idleMemory) settled(t server.Resting, now int64) {
	if p.settle == 0 || now < p.settle {
		return
	}
	if !t.MayEnter() {
		p.settle = now + int64(burstRest)
		return
	}
	t.DropPages()
	p.settle = 0
}

// next is when Look is wanted even if nothing happens.
func (p *idleMemory) next() int64 {
	next := int64(math.MaxInt64)
	for _, t := range [...]int64{p.due, p.trim, p.settle} {
		if t != 0 {
			next = min(next, t)
		}
	}
	return next
}
