package scoreboard

import (
	"net/netip"
	"slices"
	"sync"
)

// Oldest shows the request of several threads that runs longest. The zero value shows none.
type Oldest struct {
	mu  sync.Mutex
	all []*Running // in the order of their beginnings; the first is shown
}

// Running is a thread's request.
type Running struct {
	start  int64 // CLOCK_MONOTONIC ns; guarded by Oldest.mu, as is the rest
	text   [160]byte
	method int // length in text
	path   int
	client netip.AddrPort
}

// Begin shows a request that started at that time, CLOCK_MONOTONIC ns, unless an older one is shown. The
// thread that r belongs to has none.
func (o *Oldest) Begin(score *Slot, r *Running, started int64, method, path []byte, client netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r.start = started
	r.method = copy(r.text[:24], method)
	r.path = copy(r.text[r.method:], path)
	r.client = client
	o.all = append(o.all, r)
	if len(o.all) == 1 {
		score.Begin(started, method, path, client)
	}
}

// End takes the thread's request off, if it has one.
func (o *Oldest) End(score *Slot, r *Running) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.Index(o.all, r)
	if at >= 0 {
		o.all = slices.Delete(o.all, at, at+1)
	}
	switch {
	case at != 0:
	case len(o.all) == 0:
		score.End()
	default:
		m := o.all[0]
		score.Begin(m.start, m.text[:m.method], m.text[m.method:m.method+m.path], m.client)
	}
}
