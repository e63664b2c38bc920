// Package http2 is HTTP/2 (RFC 9113) as bytes in and bytes out: frames, HPACK, streams, windows,
// priorities, and what bounds a peer that sends nonsense. It does no I/O and knows no threads: whoever owns
// a Session guards it.
//
// A request becomes the text that an HTTP/1 client would have sent, head and body, which the owner reads from
// its Stream and has judged by http1.Policy; an answer is given to the Stream as HTTP/1 text, too. So there
// is one rule book for both, and nothing of what serves requests knows in which form they came.
package http2

import (
	"golang.org/x/net/http2/hpack"
)

// Settings is what we promise a peer, and ask of it.
type Settings struct {
	Streams int // requests at a time
	Window  int // bytes of a body that it may send ahead
	Frame   int // bytes of a frame's payload
	List    int // bytes of a header list, as SETTINGS_MAX_HEADER_LIST_SIZE counts; 0: no limit but maxBlock's
}

const (
	// MostUnsent is how many bytes, about, of answers wait for the peer to read. While they do nothing more
	// is taken, of it or for it.
	MostUnsent = 64 << 10
	// connWindow is the window of a connection, all its streams together. What comes is stored or refused
	// by each stream's own window, so it is given back at once.
	connWindow = 1 << 20
	// maxBlock bounds a header block as it comes, compressed.
	maxBlock = 80 << 10
)

// Session is one connection, the server's side.
type Session struct {
	set     Settings
	now     int64 // CLOCK_MONOTONIC ns, of the last Feed
	window  int   // of streams, as far as the peer knows
	begun   bool  // the preface has come
	settled bool  // and the first SETTINGS
	dead    bool  // it ends with an error: nothing more is read
	last    uint32
	streams map[uint32]*Stream
	held    int      // streams that the owner has, open or not
	closed  [64]past // streams that have ended lately
	closedN int

	block   block
	credit  int // bytes of DATA that the connection's window is to get back
	floods  floods
	leaving leaving
	sending sending
	changed []*Stream // with something to tell
	texts   [][]byte  // memory for streams that come
}

// past is a stream that has ended.
type past struct {
	id   uint32
	ours bool // by our reset: what the peer had sent before it knew is no fault
}

// New begins a session; our SETTINGS are the first thing to be sent. now is CLOCK_MONOTONIC ns.
func New(set Settings, now int64) *Session {
	s := &Session{set: set, now: now, window: max(set.Window, firstWindow), streams: map[uint32]*Stream{}, floods: newFloods(now)}
	s.sending = sending{window: firstWindow, initial: firstWindow, frame: leastFrame}
	s.block.dec = hpack.NewDecoder(4096, s.block.emit)
	s.block.most = set.List
	if set.List > 0 {
		s.block.dec.SetMaxStringLength(max(set.List, maxBlock))
	}
	s.sending.out = appendSettings(s.sending.out, &set)
	s.sending.out = appendNumber(s.sending.out, frameWindow, 0, connWindow-firstWindow)
	return s
}

// Feed takes what has come, from its front, and returns how many bytes it took: the rest is the beginning of
// a frame, and is to come again with what follows. now is CLOCK_MONOTONIC ns.
func (s *Session) Feed(in []byte, now int64) int {
	s.now = now
	used := 0
	if !s.begun {
		n := min(len(in), len(Preface))
		if string(in[:n]) != Preface[:n] {
			s.Fail(ProtocolError)
			return len(in)
		}
		if n < len(Preface) {
			return 0
		}
		used, s.begun = n, true
	}
	for !s.dead && len(in)-used >= frameHead {
		h := in[used:]
		n := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
		if n > s.set.Frame {
			s.Fail(FrameSize)
			break
		}
		if len(h) < frameHead+n {
			break
		}
		id := (uint32(h[5])<<24 | uint32(h[6])<<16 | uint32(h[7])<<8 | uint32(h[8])) & mostStream
		s.take(&frame{frameType(h[3]), h[4], id, h[frameHead : frameHead+n]})
		used += frameHead + n
	}
	if s.dead {
		return len(in)
	}
	giveCredit(s)
	return used
}

// take is one frame, and what comes of its fault.
func (s *Session) take(f *frame) {
	bad := receive(s, f)
	switch {
	case bad.code == NoError:
	case bad.stream == 0:
		s.Fail(bad.code)
	default:
		s.resetFor(bad)
	}
}

// resetFor ends a stream for the peer's fault.
func (s *Session) resetFor(bad fault) {
	if st := s.streams[bad.stream]; st != nil {
		s.drop(st, true)
	} else {
		s.remember(bad.stream, true)
	}
	s.sending.out = appendNumber(s.sending.out, frameReset, bad.stream, uint32(bad.code))
	s.countReset()
}

// Fail ends the connection with GOAWAY: the owner sends what there is and closes. Streams are gone.
func (s *Session) Fail(code Code) {
	if s.dead {
		return
	}
	s.dead = true
	s.sending.out = appendGoAway(s.sending.out, s.last, code)
	s.Lose()
}

// Lose takes all streams for gone: the connection has ended, or is about to.
func (s *Session) Lose() {
	s.dead = true
	for _, st := range s.streams {
		s.drop(st, false)
	}
}

// drop takes a stream out of the table that the peer, or its fault, has ended. Its owner is told.
func (s *Session) drop(st *Stream, ours bool) {
	delete(s.streams, st.id)
	s.remember(st.id, ours)
	st.gone = true
	if st.announced {
		s.tell(st, Gone)
		return
	}
	st.news = 0 // nobody has heard of it
	s.held--
}

// remember notes a stream that has ended.
func (s *Session) remember(id uint32, ours bool) {
	s.closed[s.closedN%len(s.closed)] = past{id, ours}
	s.closedN++
}

// ended finds a stream that has ended lately.
func (s *Session) ended(id uint32) (p past, known bool) {
	for _, p := range s.closed {
		if p.id == id && id != 0 {
			return p, true
		}
	}
	return past{}, false
}

// Dead tells that nothing more is read: what is to be sent is the last.
func (s *Session) Dead() bool { return s.dead }

// Streams is how many streams the owner has, or will be told of.
func (s *Session) Streams() int { return s.held }

// Unsettled tells that the peer owes something that it has begun: its preface and SETTINGS, or the rest of a
// header block.
func (s *Session) Unsettled() bool { return !s.settled || s.block.stream != 0 }

// HasNews tells whether Next would give a stream.
func (s *Session) HasNews() bool { return len(s.changed) > 0 }

// tell notes what the owner is to know of a stream.
func (s *Session) tell(st *Stream, n News) {
	if st.gone && !st.announced {
		return // it will never be
	}
	if st.news == 0 {
		s.changed = append(s.changed, st)
	}
	st.news |= n
}

// Next is a stream with something to tell, the one that came first; nil: there is none.
func (s *Session) Next() (*Stream, News) {
	for len(s.changed) > 0 {
		st := s.changed[0]
		s.changed = append(s.changed[:0], s.changed[1:]...)
		if n := st.news; n != 0 {
			st.news = 0
			if n&Opened != 0 {
				st.announced = true
			}
			return st, n
		}
	}
	return nil, 0
}

// leavingPing is what our PING says: once it is answered the peer has read GOAWAY.
const leavingPing = "gosrv-go"

// leaving is the way to an orderly end (RFC 9113 section 6.8).
type leaving struct {
	warned bool   // GOAWAY that names no stream was sent
	final  bool   // and the one that names the last
	last   uint32 // streams above it are nobody's: the peer may ask again elsewhere
	peer   bool   // the peer has said that it begins no more
}

// ignores tells whether a stream is above the last that is served.
func (l *leaving) ignores(id uint32) bool { return l.final && id > l.last && id%2 == 1 }

// Warn tells the peer that the connection ends: what it has sent before it knows is served. Leave follows when
// it knows, or when the owner has waited long enough.
func (s *Session) Warn() {
	if s.dead || s.leaving.warned {
		return
	}
	s.leaving.warned = true
	s.sending.out = appendGoAway(s.sending.out, mostStream, NoError)
	s.sending.out = append(appendFrame(s.sending.out, framePing, 0, 0, len(leavingPing)), leavingPing...)
}

// Leave names the last stream that is served.
func (s *Session) Leave() {
	if s.dead || s.leaving.final {
		return
	}
	s.leaving.warned, s.leaving.final, s.leaving.last = true, true, s.last
	s.sending.out = appendGoAway(s.sending.out, s.last, NoError)
}

// Warned tells that the peer was told of the end.
func (s *Session) Warned() bool { return s.leaving.warned }

// Over tells that no further request comes and none is left: the connection may be closed once all is sent.
func (s *Session) Over() bool { return s.dead || (s.leaving.final || s.leaving.peer) && s.held == 0 }
