package http2

import (
	"slices"
	"strings"
)

// usualWeight is RFC 7540's, which nobody follows any more.
const usualWeight = 16

// rank says who may send first where streams compete (RFC 9218).
type rank struct {
	urgency     uint8  // 0 to 7: the least first
	incremental bool   // shares with others of its urgency
	ticket      uint64 // since when it waits, among those that share
}

// unranked is what a stream has whose client says nothing: it shares.
var unranked = rank{urgency: 3, incremental: true}

// read reads the value of a priority field: u=3, i. What cannot be read is passed over.
func (r *rank) read(value string) {
	r.urgency, r.incremental = 3, false
	for item := range strings.SplitSeq(value, ",") {
		item, _, _ = strings.Cut(item, ";")
		switch item = strings.TrimSpace(item); {
		case len(item) == 3 && item[:2] == "u=" && '0' <= item[2] && item[2] <= '7':
			r.urgency = item[2] - '0'
		case item == "i" || item == "i=?1":
			r.incremental = true
		case item == "i=?0":
			r.incremental = false
		}
	}
}

// before tells whether a may send before b: what is more urgent; what does not share, in the order in which it
// was asked for; who waits longest.
func (st *Stream) before(b *Stream) bool {
	x, y := &st.rank, &b.rank
	switch {
	case x.urgency != y.urgency:
		return x.urgency < y.urgency
	case x.incremental != y.incremental:
		return y.incremental
	case !x.incremental:
		return st.id < b.id
	}
	return x.ticket < y.ticket
}

// precedes tells whether b is to wait as long as st may send. Those that share wait for nobody of their kind.
func (st *Stream) precedes(b *Stream) bool {
	x, y := &st.rank, &b.rank
	if x.urgency == y.urgency && x.incremental && y.incremental {
		return false
	}
	return st.before(b)
}

// maySend tells whether it is not the peer's window for the stream itself that keeps it from sending.
func (st *Stream) maySend() bool { return st.window > 0 || !st.headed }

// Yields tells whether another stream that waits, or has been told of its turn and has not come yet, is to send
// before this one. Without it threads that go on with several streams take turns as they happen to wake.
func (st *Stream) Yields() bool {
	o := &st.s.sending
	for _, all := range [2][]*Stream{o.waiting, o.called} {
		for _, other := range all {
			if other != st && other.maySend() && other.precedes(st) {
				return true
			}
		}
	}
	return false
}

// PassOver forgets those that were told of their turn and have not come: their owners are at something else.
func (s *Session) PassOver() {
	for _, st := range s.sending.called {
		st.called = false
	}
	s.sending.called = s.sending.called[:0]
}

// Await enters a stream that lets others send first: NextTurn.
func (st *Stream) Await() { st.s.await(st) }

// await enters a stream that waits for room.
func (s *Session) await(st *Stream) {
	if st.waits {
		return
	}
	s.forget(st)
	o := &s.sending
	o.ticket++
	st.waits, st.rank.ticket = true, o.ticket
	o.waiting = append(o.waiting, st)
}

// forget takes a stream off those that wait, and off those that were told of their turn.
func (s *Session) forget(st *Stream) {
	o := &s.sending
	if st.waits {
		st.waits = false
		o.waiting = without(o.waiting, st)
	}
	if st.called {
		st.called = false
		o.called = without(o.called, st)
	}
}

// without takes a stream out of a list whose order means nothing.
func without(list []*Stream, st *Stream) []*Stream {
	i, last := slices.Index(list, st), len(list)-1
	list[i], list[last] = list[last], nil
	return list[:last]
}

// NextTurn is the stream that is to send next of those that found no Room; nil: there is none for which
// there is some.
func (s *Session) NextTurn() *Stream {
	if s.sending.room() <= 0 {
		return nil
	}
	var best *Stream
	for _, st := range s.sending.waiting {
		if st.maySend() && (best == nil || st.before(best)) {
			best = st
		}
	}
	if best != nil {
		s.forget(best)
		best.called = true
		s.sending.called = append(s.sending.called, best)
	}
	return best
}

// takePriority is PRIORITY (RFC 7540 section 5.3): shown to the application, and else ignored.
func takePriority(s *Session, f *frame) fault {
	switch {
	case f.stream == 0:
		return fatal(ProtocolError)
	case len(f.payload) != 5:
		return fault{f.stream, FrameSize}
	}
	s.countRestless()
	depends, weight := readPriority(f.payload)
	if depends == f.stream {
		return fault{f.stream, ProtocolError}
	}
	if st := s.streams[f.stream]; st != nil {
		st.Weight, st.DependsOn = weight, depends
	}
	return fault{}
}

// takePriorityUpdate is PRIORITY_UPDATE (RFC 9218 section 7.1).
func takePriorityUpdate(s *Session, f *frame) fault {
	switch {
	case f.stream != 0:
		return fatal(ProtocolError)
	case len(f.payload) < 4:
		return fatal(FrameSize)
	}
	s.countRestless()
	id := uint32(f.payload[0])<<24 | uint32(f.payload[1])<<16 | uint32(f.payload[2])<<8 | uint32(f.payload[3])
	if id &= mostStream; id == 0 {
		return fatal(ProtocolError)
	}
	if st := s.streams[id]; st != nil {
		st.rank.read(string(f.payload[4:]))
	}
	return fault{}
}
