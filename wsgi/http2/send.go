package http2

// sending is what is on its way to the peer.
type sending struct {
	out     []byte // out[:frozen] was shown to the transport, which may have encrypted it
	frozen  int
	gone    int64     // bytes before out
	window  int64     // of the connection
	initial int64     // of new streams
	frame   int       // bytes of a payload that the peer takes
	cleared bool      // the peer knows that our HPACK table is empty
	waiting []*Stream // for room
	called  []*Stream // told of it, and not yet come
	ticket  uint64
}

// grow gives the connection's window n more bytes.
func (o *sending) grow(n int64) fault {
	if o.window += n; o.window > mostWindow {
		return fatal(FlowControl)
	}
	return fault{}
}

// Unsent is what is to be sent, from its front. It stays as it is until Sent; what comes meanwhile stands
// behind it.
func (s *Session) Unsent() []byte {
	s.sending.frozen = len(s.sending.out)
	return s.sending.out
}

// Waits is how many bytes are to be sent.
func (s *Session) Waits() int { return len(s.sending.out) }

// Sent says that n of them have left.
func (s *Session) Sent(n int) {
	o := &s.sending
	o.gone += int64(n)
	o.frozen -= n
	o.out = o.out[:copy(o.out, o.out[n:])]
	if len(o.out) == 0 && cap(o.out) > 2*MostUnsent {
		o.out = nil
	}
}

// Release gives the buffer away, which is empty; nil: it is not, or there is none.
func (s *Session) Release() []byte {
	b := s.sending.out
	if len(b) > 0 {
		return nil
	}
	s.sending.out = nil
	return b
}

// Lend gives the session a buffer, if it has none.
func (s *Session) Lend(b []byte) {
	if s.sending.out == nil {
		s.sending.out = b[:0]
	}
}

// HasBuffer tells whether Lend is not needed.
func (s *Session) HasBuffer() bool { return s.sending.out != nil }

// room is how much of any body may be taken now.
func (o *sending) room() int64 { return min(o.window, int64(MostUnsent-len(o.out))) }

// Room is how many bytes of the stream's body may be taken now. With 0 the owner is told when to come again:
// NextTurn. Not before the head was given.
func (st *Stream) Room() int {
	n := max(0, min(st.window, st.s.sending.room()))
	switch {
	case n > 0:
		st.s.forget(st) // it has come
	case !st.gone:
		st.s.await(st)
	}
	return int(n)
}

// Stalled tells that it is the peer's window for this stream that lacks room.
func (st *Stream) Stalled() bool { return st.window <= 0 }

// begin writes the head of the stream's next frame.
func (st *Stream) begin(kind frameType, flags uint8, n int) {
	o := &st.s.sending
	st.frameAt = o.gone + int64(len(o.out))
	o.out = appendFrame(o.out, kind, flags, st.id, n)
}

// Data takes a part of the body, no more than Room.
func (st *Stream) Data(p []byte) {
	o := &st.s.sending
	st.window -= int64(len(p))
	o.window -= int64(len(p))
	if st.promised >= 0 {
		st.promised = max(0, st.promised-int64(len(p)))
	}
	for len(p) > 0 {
		n := min(len(p), o.frame)
		st.begin(frameData, 0, n)
		o.out = append(o.out, p[:n]...)
		p = p[n:]
	}
}

// End ends a whole answer, and the stream. One that is shorter than it promised, or that has not begun, is
// told from a whole one by a reset.
func (st *Stream) End() {
	switch {
	case st.gone || st.over:
		st.leave()
		return
	case !st.headed || st.promised > 0 && !st.noBody:
		st.Reset(InternalError)
		return
	}
	o := &st.s.sending
	switch at := int(st.frameAt - o.gone); {
	case len(st.trailers) > 0:
		st.writeBlock(flagEndStream, st.trailers)
	case at >= o.frozen: // nobody has seen its last frame: that is the end
		o.out[at+4] |= flagEndStream
	default:
		st.begin(frameData, flagEndStream, 0)
	}
	if !st.ended {
		// The peer need not send the rest (RFC 9113 section 8.1).
		o.out = appendNumber(o.out, frameReset, st.id, uint32(NoError))
	}
	st.s.floods.restless.give(served)
	delete(st.s.streams, st.id)
	st.s.remember(st.id, !st.ended)
	st.leave()
}

// Reset ends the stream, whatever it is at.
func (st *Stream) Reset(code Code) {
	if !st.gone && !st.over {
		st.s.sending.out = appendNumber(st.s.sending.out, frameReset, st.id, uint32(code))
		delete(st.s.streams, st.id)
		st.s.remember(st.id, true)
	}
	st.leave()
}

// leave is the owner's farewell: the stream may be another's from now on.
func (st *Stream) leave() {
	if st.over {
		return
	}
	st.over, st.gone, st.news = true, true, 0
	s := st.s
	s.held--
	s.forget(st)
	if cap(st.text) <= largeText && len(s.texts) < s.set.Streams {
		s.texts = append(s.texts, st.text[:0])
	}
	st.text = nil
}
