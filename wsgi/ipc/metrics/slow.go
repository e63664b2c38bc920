package metrics

import (
	"encoding/binary"
	"math"
)

const (
	slowKept = 8
	// slowText bounds method and path together, in bytes; a longer path is cut.
	slowText = 160
	// slowFor is how long, in ns, a request is among the slowest: after that any
	// other takes its place.
	slowFor = 5 * 60 * 1e9
	traceID = 32
)

// slowWords is one of the slowest requests. seq is odd while it is written.
type slowWords struct {
	seq    word
	end    word // CLOCK_MONOTONIC ns; 0: none
	status word
	lens   word // method, path, trace, route: 8 bits, 16 bits, 8 bits, 8 bits
	times  [phases]word
	trace  [traceID / 8]word
	route  [routeText / 8]word
	text   [slowText / 8]word
}

// Slow is one of the slowest requests of the last minutes.
type Slow struct {
	End          int64 // CLOCK_MONOTONIC ns
	Method, Path string
	Trace        string
	Route        string // "": none is known
	Status       int
	Times        [phases]int64 // ns; -1: it was not measured
}

// floor says what is not among the slowest, without a look at them.
type floor struct {
	least int64 // ns
	until int64 // CLOCK_MONOTONIC ns: the oldest is too old from then on
}

// keep puts r in the place of one that is too old, or of the quickest.
func (f *floor) keep(all *[slowKept]slowWords, r *Request) {
	place, quickest := 0, int64(math.MaxInt64)
	for i := range all {
		whole := int64(all[i].times[Whole].Load())
		if int64(all[i].end.Load()) < r.End-slowFor {
			whole = -1
		}
		if whole < quickest {
			place, quickest = i, whole
		}
	}
	if quickest >= 0 && r.Times[Whole] <= quickest {
		f.look(all, r.End)
		return
	}
	all[place].write(r)
	f.look(all, r.End)
}

// look finds what a request must exceed.
func (f *floor) look(all *[slowKept]slowWords, now int64) {
	f.least, f.until = math.MaxInt64, math.MaxInt64
	for i := range all {
		end, whole := int64(all[i].end.Load()), int64(all[i].times[Whole].Load())
		if end == 0 || end < now-slowFor {
			f.least, f.until = -1, 0
			return
		}
		f.least, f.until = min(f.least, whole), min(f.until, end+slowFor)
	}
}

func (w *slowWords) write(r *Request) {
	m := min(len(r.Method), 24)
	p := min(len(r.Path), slowText-m)
	t := 0
	if len(r.Trace) == traceID {
		t = traceID
	}
	n := min(len(r.Route), routeText)
	w.seq.Store(w.seq.Load() | 1) // whoever died over it has left it odd
	w.end.Store(uint64(r.End))
	w.status.Store(uint64(r.Status))
	w.lens.Store(uint64(m) | uint64(p)<<8 | uint64(t)<<24 | uint64(n)<<32)
	for i := range w.times {
		w.times[i].Store(uint64(r.Times[i]))
	}
	var text [slowText]byte
	copy(text[copy(text[:], r.Method[:m]):], r.Path[:p])
	put(w.text[:], text[:])
	put(w.trace[:], r.Trace[:t])
	put(w.route[:], r.Route[:n])
	w.seq.Add(1)
}

// put writes bytes into words; the last ones are zeroes where they end.
func put(words []word, text []byte) {
	for i := range words {
		var eight [8]byte
		if at := i * 8; at < len(text) {
			copy(eight[:], text[at:])
		}
		words[i].Store(binary.NativeEndian.Uint64(eight[:]))
	}
}

// take reads n bytes out of words.
func take(words []word, n int) string {
	text := make([]byte, len(words)*8)
	for i := range words {
		binary.NativeEndian.PutUint64(text[i*8:], words[i].Load())
	}
	return string(text[:min(n, len(text))])
}

// read gives the request; false: there is none, or it is being written.
func (w *slowWords) read() (s Slow, ok bool) {
	before := w.seq.Load()
	if before&1 != 0 || w.end.Load() == 0 {
		return s, false
	}
	s.End, s.Status = int64(w.end.Load()), int(w.status.Load())
	lens := w.lens.Load()
	m, p, t := int(lens&0xff), int(lens>>8&0xffff), int(lens>>24&0xff)
	text := take(w.text[:], m+p)
	if len(text) < m {
		return s, false
	}
	s.Method, s.Path, s.Trace = text[:m], text[m:], take(w.trace[:], t)
	s.Route = take(w.route[:], int(lens>>32&0xff))
	for i := range w.times {
		s.Times[i] = int64(w.times[i].Load())
	}
	return s, w.seq.Load() == before
}
