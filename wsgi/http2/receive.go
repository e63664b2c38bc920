package http2

import "encoding/binary"

// receive is one frame of the peer's.
func receive(s *Session, f *frame) fault {
	if !s.settled && (f.kind != frameSettings || f.has(flagAck)) {
		return fatal(ProtocolError)
	}
	if s.block.stream != 0 && (f.kind != frameContinuation || f.stream != s.block.stream) {
		return fatal(ProtocolError)
	}
	switch f.kind {
	case frameData:
		return takeData(s, f)
	case frameHeaders:
		return takeHeaders(s, f)
	case frameContinuation:
		return takeContinuation(s, f)
	case frameSettings:
		return takeSettings(s, f)
	case frameWindow:
		return takeWindow(s, f)
	case frameReset:
		return takeReset(s, f)
	case framePriority:
		return takePriority(s, f)
	case framePriorityUpdate:
		return takePriorityUpdate(s, f)
	case framePing:
		return takePing(s, f)
	case frameGoAway:
		return takeGoAway(s, f)
	case framePush:
		return fatal(ProtocolError)
	}
	s.countRestless() // unknown: ignored (RFC 9113 section 4.1)
	return fault{}
}

// idle tells whether a stream has not been begun: nothing but HEADERS and PRIORITY may come for it.
func idle(s *Session, id uint32) bool { return id > s.last || id%2 == 0 }

// overtaken tells whether a frame for a stream that is not open has crossed our reset, or our GOAWAY.
func overtaken(s *Session, id uint32) bool {
	p, known := s.ended(id)
	return known && p.ours || s.leaving.ignores(id)
}

// takeData is DATA. The connection's window gets all of it back, also what nobody reads.
func takeData(s *Session, f *frame) fault {
	if f.stream == 0 || idle(s, f.stream) && !s.leaving.ignores(f.stream) {
		return fatal(ProtocolError)
	}
	all := len(f.payload)
	s.credit += all
	st := s.streams[f.stream]
	switch {
	case st == nil && overtaken(s, f.stream):
		s.countRestless()
		return fault{}
	case st == nil:
		return fatal(StreamClosed)
	case st.ended:
		return fault{st.id, StreamClosed}
	case !f.unpad():
		return fatal(ProtocolError)
	}
	if st.receive -= all; st.receive < 0 {
		return fault{st.id, FlowControl}
	}
	st.got += int64(len(f.payload))
	switch {
	case len(f.payload) == 0 && !f.has(flagEndStream):
		s.countRestless()
	case st.length >= 0 && st.got > st.length:
		return fault{st.id, ProtocolError}
	}
	st.put(f.payload)
	if f.has(flagEndStream) {
		return finish(s, st)
	}
	s.tell(st, Readable)
	return fault{}
}

// finish is the end of a request.
func finish(s *Session, st *Stream) fault {
	if st.length >= 0 && st.got != st.length {
		return fault{st.id, ProtocolError}
	}
	st.end()
	s.tell(st, Readable)
	return fault{}
}

// takeReset is RST_STREAM.
func takeReset(s *Session, f *frame) fault {
	switch {
	case f.stream == 0:
		return fatal(ProtocolError)
	case len(f.payload) != 4:
		return fatal(FrameSize)
	case idle(s, f.stream) && !s.leaving.ignores(f.stream):
		return fatal(ProtocolError)
	}
	if st := s.streams[f.stream]; st != nil {
		s.drop(st, false)
	}
	s.countReset()
	return fault{}
}

// takeWindow is WINDOW_UPDATE.
func takeWindow(s *Session, f *frame) fault {
	if len(f.payload) != 4 {
		return fatal(FrameSize)
	}
	n := int64(binary.BigEndian.Uint32(f.payload) & mostWindow)
	if n < smallCredit {
		s.countRestless()
	}
	if f.stream == 0 {
		if n == 0 {
			return fatal(ProtocolError)
		}
		return s.sending.grow(n)
	}
	st := s.streams[f.stream]
	switch {
	case idle(s, f.stream) && !s.leaving.ignores(f.stream):
		return fatal(ProtocolError)
	case st == nil:
		return fault{}
	case n == 0:
		return fault{st.id, ProtocolError}
	}
	if st.window += n; st.window > mostWindow {
		return fault{st.id, FlowControl}
	}
	return fault{}
}

// takePing is PING: an answer, or what the peer says to ours.
func takePing(s *Session, f *frame) fault {
	switch {
	case f.stream != 0:
		return fatal(ProtocolError)
	case len(f.payload) != 8:
		return fatal(FrameSize)
	case f.has(flagAck):
		if s.leaving.warned && string(f.payload) == leavingPing {
			s.Leave()
		}
		return fault{}
	}
	s.sending.out = append(appendFrame(s.sending.out, framePing, flagAck, 0, 8), f.payload...)
	s.countRestless()
	return fault{}
}

// takeGoAway is GOAWAY: the peer begins no more requests.
func takeGoAway(s *Session, f *frame) fault {
	switch {
	case f.stream != 0:
		return fatal(ProtocolError)
	case len(f.payload) < 8:
		return fatal(FrameSize)
	}
	s.leaving.peer = true
	return fault{}
}

// giveCredit gives the connection's window back. A little less is not worth a frame.
func giveCredit(s *Session) {
	if s.credit >= connWindow/4 {
		s.sending.out = appendNumber(s.sending.out, frameWindow, 0, uint32(s.credit))
		s.credit = 0
	}
}
