package http2

import "strings"

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

// await enters a stream that waits for room.
func (s *Session) await(st *Stream) {
	if st.waits {
		return
	}
	o := &s.sending
	o.ticket++
	st.waits, st.rank.ticket = true, o.ticket
	o.waiting = append(o.waiting, st)
}

// forget takes a stream off those that wait.
func (s *Session) forget(st *Stream) {
	if !st.waits {
		return
	}
	st.waits = false
	w := s.sending.waiting
	for i := range w {
		if w[i] == st {
			w[i] = w[len(w)-1]
			w[len(w)-1] = nil
			s.sending.waiting = w[:len(w)-1]
			return
		}
	}
}

// NextTurn is the stream that is to send next of those that found no Room; nil: there is none for which
// there is some.
func (s *Session) NextTurn() *Stream {
	if s.sending.room() <= 0 {
		return nil
	}
	var best *Stream
	for _, st := range s.sending.waiting {
		if (st.window > 0 || !st.headed) && (best == nil || st.before(best)) {
			best = st
		}
	}
	if best != nil {
		s.forget(best)
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
