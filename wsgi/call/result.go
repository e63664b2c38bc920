package call

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// State is the outcome of one step of an application call (gosrv.h, GOSRV_DONE ...).
type State int

// The states. Failed and Quit mean that the call is closed and the traceback logged; Quit
// that it was ended by the worker's own order to quit; Handled that it is closed and has used
// gunicorn.socket, so that nobody is to say anything to its client.
const (
	Done State = iota // head and whole body are in the lent buffer; the call is closed
	Last              // the last piece; send it, then Finish
	More              // a piece; send it, then Next
	File              // the body is FD from FileOff on, FileLen bytes; then Finish
	Grow              // the buffer is too small: Next with Need bytes
	Failed
	Quit
	Handled
)

// Flags of Next and Batch.
const (
	SentAll uint32 = 2  // Next: the answer's Content-Length is reached
	Chunked uint32 = 64 // Batch: each piece becomes a chunk
)

// Result tells what a step gave. The head and small bodies are in the lent buffer; Ref, when not nil, is the
// rest in Python's memory, valid until the next step or Finish. Its layout is that of gosrv_result.
type Result struct {
	HeadLen, BodyOff, BodyLen uint32         // bytes of the buffer
	FD                        int32          // State File; of a connection that was taken over, once it is closed
	Ref                       unsafe.Pointer // a piece left in Python's memory: RefBytes
	RefLen                    uint64
	Total                     int64 // of the whole body, -1 unknown
	Need                      uint64
	FileOff, FileLen          int64
	Handle                    unsafe.Pointer // of the live call, nil when it is closed
	Now                       int64          // CLOCK_MONOTONIC ns at the step's end
	Notes                     unsafe.Pointer // NotesBytes
	NotesLen                  uint64
	Sent, Iterates            uint32 // Batch: what of the buffer has left; may be used
	Payload                   uint64 // Batch: body in the buffer
	Ends                      uint64 // not 0: the connection ends with this answer
	Route                     unsafe.Pointer
	RouteLen                  uint64 // Call, End: RouteBytes
	Held                      int64  // Call: CLOCK_MONOTONIC ns at which the GIL was had, 0: it was kept from before; End: at which the application was called
}

// RouteBytes is what the application has put into environ["gosrv.route"], nil if nothing. It is valid
// until the thread's next Call.
func (r *Result) RouteBytes() []byte {
	if r.Route == nil {
		return nil
	}
	return unsafe.Slice((*byte)(r.Route), r.RouteLen)
}

// RefBytes is the piece that stayed in Python's memory, nil if none.
// It is valid until the next step of the same call.
func (r *Result) RefBytes() []byte {
	if r.Ref == nil {
		return nil
	}
	return unsafe.Slice((*byte)(r.Ref), r.RefLen)
}

// NotesBytes is all of a closed call's notes, nil if none. It is valid until the thread's next step.
func (r *Result) NotesBytes() []byte {
	if r.Notes == nil {
		return nil
	}
	return unsafe.Slice((*byte)(r.Notes), r.NotesLen)
}

// Note gives the first of a closed call's notes, as C packs them (cgo/request_environ.c), and those behind it:
// what the access log asked for of environ, as the application left it. notes is what NotesBytes
// gave, and not empty.
func Note(notes []byte) (name, value, rest []byte) {
	name, rest = cutText(notes)
	value, rest = cutText(rest)
	return name, value, rest
}

func cutText(b []byte) (text, rest []byte) {
	n := 4 + binary.NativeEndian.Uint32(b)
	return b[4:n], b[n:]
}

// Batch are pieces that a Batch has put into its buffer so far: their bytes are [Sent:End] of it,
// what lies before has left, and Payload is how much of the body they are, without the framing.
type Batch struct{ Sent, End, Payload uint64 }

// SocketUse is what the application is about to do with gunicorn.socket.
type SocketUse uint8

// The uses, each of which includes those before it. With SocketTake the connection is the application's, whose
// descriptor of it Result.FD gives back when the call is closed, -1 if the application has ended it.
const (
	SocketLook SocketUse = iota // wait for it, ask for its descriptor
	SocketRead                  // read from it
	SocketTake                  // go on with it alone

	// Questions, which change nothing. The answer is text.
	SocketSecure // what TLS has settled (tlsio.Facts, JSON); nothing: the connection is plain
	SocketTunnel // after SocketTake over TLS: the number of the application's own descriptor
)

// Word is what hooks and the loop of a worker tell each other. Python writes what is atomic; Requests has one
// writer, who leads the loop. Its layout is that of gosrv_word.
type Word struct {
	Notified    atomic.Int64  // CLOCK_MONOTONIC ns of the last worker.notify(), 0: never
	MaxRequests atomic.Uint64 // 0 is no limit
	Requests    uint64        // begun so far
}
