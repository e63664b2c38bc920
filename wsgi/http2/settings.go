package http2

import "encoding/binary"

// Settings that both sides may send (RFC 9113 section 6.5.2, RFC 9218 section 2.1).
const (
	setPush         = 2
	setStreams      = 3
	setWindow       = 4
	setFrame        = 5
	setList         = 6
	setNoPriorities = 9
	mostSettings    = 32 // in one frame
)

// appendSettings writes our SETTINGS. Clients are told to say what is urgent by the field priority, not by
// the tree of RFC 7540.
func appendSettings(dst []byte, set *Settings) []byte {
	one := func(id uint16, value int) {
		dst = binary.BigEndian.AppendUint16(dst, id)
		dst = binary.BigEndian.AppendUint32(dst, uint32(value))
	}
	at := len(dst)
	dst = appendFrame(dst, frameSettings, 0, 0, 0)
	one(setStreams, min(set.Streams, mostStream))
	one(setWindow, set.Window)
	one(setFrame, set.Frame)
	if set.List > 0 {
		one(setList, set.List)
	}
	one(setNoPriorities, 1)
	n := len(dst) - at - frameHead
	dst[at+1], dst[at+2] = byte(n>>8), byte(n)
	return dst
}

// takeSettings is SETTINGS: the peer's, or that it has ours.
func takeSettings(s *Session, f *frame) fault {
	if f.stream != 0 {
		return fatal(ProtocolError)
	}
	if f.has(flagAck) {
		if len(f.payload) != 0 {
			return fatal(FrameSize)
		}
		acknowledged(s)
		return fault{}
	}
	if len(f.payload)%6 != 0 || len(f.payload) > 6*mostSettings {
		return fatal(FrameSize)
	}
	if bad := apply(s, f.payload); bad.code != NoError {
		return bad
	}
	s.settled = true
	s.sending.out = appendFrame(s.sending.out, frameSettings, flagAck, 0, 0)
	s.countRestless()
	return fault{}
}

// acknowledged makes our window that of the streams that are open. Until now the peer may have gone by the
// usual one.
func acknowledged(s *Session) {
	for _, st := range s.streams {
		st.receive += s.set.Window - s.window
	}
	s.window = s.set.Window
}

// apply goes by the peer's settings.
func apply(s *Session, p []byte) fault {
	for ; len(p) > 0; p = p[6:] {
		value := int64(binary.BigEndian.Uint32(p[2:]))
		switch binary.BigEndian.Uint16(p) {
		case setPush:
			if value > 1 {
				return fatal(ProtocolError)
			}
		case setWindow:
			if value > mostWindow {
				return fatal(FlowControl)
			}
			for _, st := range s.streams {
				if st.window += value - s.sending.initial; st.window > mostWindow {
					return fatal(FlowControl)
				}
			}
			s.sending.initial = value
		case setFrame:
			if value < leastFrame || value > mostFrame {
				return fatal(ProtocolError)
			}
			s.sending.frame = int(min(value, MostUnsent))
		}
	}
	return fault{}
}
