package http2

import "strconv"

// News is what has become of a stream since its owner was told last.
type News uint8

const (
	Opened   News = 1 << iota // a request has begun: its head can be read
	Readable                  // more of it can be
	Gone                      // the peer has given it up, or the connection has ended
)

// Stream is one request and its answer. The owner has it from News Opened until it calls End or Reset.
type Stream struct {
	Owner     any    // what the owner makes of it
	TooLarge  bool   // its header list is over the limit: there is no head to be read
	HTTPS     bool   // what :scheme says
	Weight    int    // priority of RFC 7540, as Gunicorn shows it
	DependsOn uint32 //

	s         *Session
	id        uint32
	news      News
	announced bool
	gone      bool

	request
	answer
}

// request is what has come of one.
type request struct {
	text    []byte // HTTP/1 text; text[read:] is unread
	read    int
	length  int64 // content-length, -1: none
	got     int64 // bytes of body
	receive int   // window of what may come
	chunked bool  // the body is written in chunks
	ended   bool  // all of it has come
}

// answer is how far one has gone.
type answer struct {
	window   int64 // of what may be sent
	promised int64 // content-length less what was sent; -1: none
	noBody   bool  // it is one to HEAD
	headed   bool  // its head was given
	over     bool  // End or Reset was called
	frameAt  int64 // where its last frame begins in all that was sent
	trailers []byte
	rank     rank
	waits    bool // in sending.waiting
	called   bool // in sending.called
}

// largeText is more memory than a session keeps for the next stream.
const largeText = 4 << 10

// newStream makes one, with the memory of another's text.
func newStream(s *Session, id uint32) *Stream {
	st := &Stream{
		s: s, id: id,
		request: request{length: -1, receive: s.window},
		answer:  answer{window: s.sending.initial, promised: -1, frameAt: -1, rank: unranked},
	}
	if n := len(s.texts); n > 0 {
		st.text = s.texts[n-1]
		s.texts = s.texts[:n-1]
	}
	return st
}

// ID is the stream's number.
func (st *Stream) ID() uint32 { return st.id }

// put takes a part of the body.
func (st *Stream) put(p []byte) {
	if len(p) == 0 {
		return
	}
	if st.read > 0 && len(st.text)+len(p) > cap(st.text) {
		st.text = st.text[:copy(st.text, st.text[st.read:])]
		st.read = 0
	}
	if !st.chunked {
		st.text = append(st.text, p...)
		return
	}
	st.text = append(strconv.AppendInt(st.text, int64(len(p)), 16), "\r\n"...)
	st.text = append(append(st.text, p...), "\r\n"...)
}

// end is the end of the request.
func (st *Stream) end() {
	st.ended = true
	if st.chunked {
		st.text = append(st.text, "0\r\n\r\n"...)
	}
}

// Unread is how many bytes of HTTP/1 text can be read.
func (st *Stream) Unread() int { return len(st.text) - st.read }

// Gone tells that nobody waits for an answer.
func (st *Stream) Gone() bool { return st.gone }

// Read gives the HTTP/1 text that has come. What is read the peer may send anew.
func (st *Stream) Read(p []byte) int {
	n := copy(p, st.text[st.read:])
	st.read += n
	if st.read == len(st.text) {
		st.text, st.read = st.text[:0], 0
	}
	if st.ended || st.gone {
		return n
	}
	// What is unread counts as if it were body, framing of chunks and head with it: a little less is given
	// back for the time being. Less than half of the window is not worth a frame.
	window := st.s.window
	if owed := window - st.receive - st.Unread(); owed > 0 && owed >= window/2 {
		st.receive += owed
		st.s.sending.out = appendNumber(st.s.sending.out, frameWindow, st.id, uint32(owed))
	}
	return n
}
