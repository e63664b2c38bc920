package http2

import "encoding/binary"

// frameType is the kind of a frame (RFC 9113 section 6; PRIORITY_UPDATE: RFC 9218 section 7.1).
type frameType uint8

const (
	frameData           frameType = 0x0
	frameHeaders        frameType = 0x1
	framePriority       frameType = 0x2
	frameReset          frameType = 0x3
	frameSettings       frameType = 0x4
	framePush           frameType = 0x5
	framePing           frameType = 0x6
	frameGoAway         frameType = 0x7
	frameWindow         frameType = 0x8
	frameContinuation   frameType = 0x9
	framePriorityUpdate frameType = 0x10
)

// Flags of frames.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Code says why a stream or a connection ends (RFC 9113 section 7).
type Code uint32

// The codes that are sent.
const (
	NoError       Code = 0x0
	ProtocolError Code = 0x1
	InternalError Code = 0x2
	FlowControl   Code = 0x3
	StreamClosed  Code = 0x5
	FrameSize     Code = 0x6
	RefusedStream Code = 0x7
	Cancel        Code = 0x8
	Compression   Code = 0x9
	EnhanceCalm   Code = 0xb
)

const (
	// Preface is what a client's side of a connection begins with.
	Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameHead   = 9       // bytes before a frame's payload
	leastFrame  = 1 << 14 // SETTINGS_MAX_FRAME_SIZE: the smallest and initial one
	mostFrame   = 1<<24 - 1
	mostWindow  = 1<<31 - 1
	firstWindow = 1<<16 - 1 // of a connection, and of streams until SETTINGS say otherwise
	mostStream  = 1<<31 - 1
)

// frame is one that has come.
type frame struct {
	kind    frameType
	flags   uint8
	stream  uint32
	payload []byte // a view into what was fed
}

// has tells whether a flag is set.
func (f *frame) has(flag uint8) bool { return f.flags&flag != 0 }

// unpad takes the padding off; false: there is more of it than payload.
func (f *frame) unpad() bool {
	if !f.has(flagPadded) {
		return true
	}
	p := f.payload
	if len(p) == 0 || int(p[0]) >= len(p) {
		return false
	}
	f.payload = p[1 : len(p)-int(p[0])]
	return true
}

// appendFrame writes the head of a frame whose payload has n bytes.
func appendFrame(dst []byte, kind frameType, flags uint8, stream uint32, n int) []byte {
	return append(dst, byte(n>>16), byte(n>>8), byte(n), byte(kind), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

// appendNumber writes a frame whose payload is one number: RST_STREAM, WINDOW_UPDATE.
func appendNumber(dst []byte, kind frameType, stream, number uint32) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(dst, kind, 0, stream, 4), number)
}

// appendGoAway writes GOAWAY.
func appendGoAway(dst []byte, last uint32, code Code) []byte {
	dst = binary.BigEndian.AppendUint32(appendFrame(dst, frameGoAway, 0, 0, 8), last)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

// fault is what the peer has done wrong: with stream 0 the connection ends, else that stream.
// The zero value: nothing.
type fault struct {
	stream uint32
	code   Code
}

// fatal is a fault of the connection.
func fatal(code Code) fault { return fault{0, code} }
