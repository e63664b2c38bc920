// Package cpython is CPython as Go people think of it: a Thread that is attached to the
// interpreter, an application that it calls, the pieces of an answer. The rules of the
// GIL live here and in package cgo; nobody else imports cgo.
//
// A Thread belongs to one OS thread: call its methods only from the goroutine that is
// locked to that thread.
package cpython

import (
	"errors"

	"gosrv/cgo"
	"gosrv/wsgi/call"
)

// Flags of Request.
const (
	HTTPS     = cgo.HTTPS     // wsgi.url_scheme is https
	Proxied   = cgo.Proxied   // environ.Packed.Proxied
	Secured   = cgo.Secured   // environ.Packed.Secured
	HTTP2     = cgo.HTTP2     // environ.Packed.HTTP2
	CachedNew = cgo.CachedNew // the cached environ stands for another header block than before
	KeepGIL   = cgo.KeepGIL   // return with the GIL, until Release or another method
)

// CachedEnvirons is how many numbers there are for CachedEnviron; 0 is none.
const CachedEnvirons = cgo.Cached

// CachedEnviron as a flag of Call promises that base, HTTPS and the headers of desc are the same as
// at all calls with that number since the last one with CachedNew: C then copies an environ
// instead of making one. Number is below CachedEnvirons.
func CachedEnviron(number int) uint32 { return uint32(number) << cgo.CachedShift }

// Request is one request for the application. Head is what the client has sent, in which Desc finds what
// it does not find in Extra: the three are environ.Packed's, and Headers is its number of them.
type Request struct {
	Base       Base
	Head       []byte
	Extra      []byte
	Desc       []uint32
	Headers    int
	Flags      uint32
	Body       *call.Body
	Connection int    // the descriptor behind gunicorn.socket
	Out        []byte // takes the packed response head and small bodies: at least some KiB
}

// Base is the constant part of environ for one listener.
type Base int

// KV is one environ entry with a string value.
type KV struct{ Key, Value string }

// WorkerWord is the Word of this process, in C's memory, for life.
func WorkerWord() *call.Word { return cgo.WorkerWord() }

// InWorker reports whether the constructor made this process a worker.
func InWorker() bool { return cgo.WorkerFD() >= 0 }

// ControlFD is the worker's channel to the master, owned by the caller; -1 in the master.
func ControlFD() int { return cgo.WorkerFD() }

// Thread is an OS thread with its own Python thread state, for life.
type Thread struct {
	c       cgo.Thread
	slot    int
	holding bool        // at least since the last Call; C knows better
	request cgo.Request // of Call: what C is lent the address of would be made on the heap for each
}

// Attach gives the main thread's Thread and puts Python's signal handlers back after Go's
// start took them. Call it once, from a goroutine locked to the process's main thread; it
// returns nil in a process without interpreter.
func Attach() *Thread {
	c, ok := cgo.MainAttach()
	if !ok {
		return nil
	}
	c.SignalsSettle()
	call.TwoCounts = cgo.TwoCounts()
	return &Thread{c: c}
}

// Slot is 0 for the main thread, from 1 for those of StartThreads.
func (t *Thread) Slot() int { return t.slot }

var errBase = errors.New("cannot build the constant part of environ; the reason is in the error log")

// NewBase makes the constant part of environ for one listener from its string entries;
// the wsgi.* objects are added inside. It lives as long as the process.
func (t *Thread) NewBase(kv []KV) (Base, error) {
	var text []byte
	for _, e := range kv {
		text = append(append(append(append(text, e.Key...), 0), e.Value...), 0)
	}
	text = append(text, 0)
	index := t.c.BaseNew(text, len(kv))
	if index < 0 {
		return -1, errBase
	}
	return Base(index), nil
}

// Call runs application(environ, start_response) once: one crossing. All that r has is lent until Call
// returns.
func (t *Thread) Call(r *Request, res *call.Result) call.State {
	t.holding = r.Flags&KeepGIL != 0
	t.request = cgo.Request{
		Numbers: cgo.Numbers{
			Stream: r.Body.Stream, BodyLen: r.Body.Len, Base: int32(r.Base), Headers: int32(r.Headers),
			BodyFD: int32(r.Body.FD), Connection: int32(r.Connection), Flags: r.Flags,
		},
		Head: r.Head, Extra: r.Extra, Desc: r.Desc, Mem: r.Body.Mem, Blocks: r.Body.Blocks, Out: r.Out,
	}
	state := call.State(t.c.AppCall(&t.request, res))
	t.request.Head, t.request.Mem, t.request.Blocks = nil, nil, nil // they are the connection's
	return state
}

// Release gives back the GIL that a Call with KeepGIL has kept. Python's other threads get
// no turn before that, so whatever may wait (a file, a log, the next event) comes after it.
func (t *Thread) Release() {
	if t.holding {
		t.holding = false
		t.c.GILRelease()
	}
}

// Next gives the next piece of the live call res.Handle.
func (t *Thread) Next(flags uint32, out []byte, res *call.Result) call.State {
	return call.State(t.c.CallNext(flags, out, res))
}

// Batch gives what follows of an iterator (Result.Iterates), framed and behind out[:end], which has not
// been sent: pieces that come quickly are gathered, and what waits while the application makes the next
// one is sent on the way, Result.Sent bytes in all. left is what Content-Length allows, -1 without.
func (t *Thread) Batch(flags uint32, out []byte, end int, left int64, res *call.Result) call.State {
	return call.State(t.c.CallBatch(flags, out, end, left, res))
}

// Finish closes the iterable of the live call res.Handle, exactly once, and drops all of it.
func (t *Thread) Finish(res *call.Result) {
	t.c.CallFinish(res)
	res.Handle, res.Ref = nil, nil
}

// RunSignals runs the Python signal handlers that are due; main thread only. Call it after
// EINTR and when WakeupFD is readable.
func (t *Thread) RunSignals() call.Flags { return call.Flags(t.c.SignalsRun()) }

// WakeupFD becomes readable when a Python signal handler is due. The caller reads it empty.
func WakeupFD() int { return cgo.WakeupFD() }

// Callbacks are what the application reaches in Go while it runs; see cgo.Callbacks.
type Callbacks struct {
	// Write is the write() callable: head is the packed response head with the first call,
	// empty later. It may block. False: the client is gone.
	// batch is what Thread.Batch has in its buffer at that time: it belongs before head and data.
	Write func(slot int, batch call.Batch, head, data []byte) bool
	// EarlyHints sends 103 with the packed headers (its status is empty), or keeps them as what follows the body
	// (call.Trailers is its status). False: one of
	// them is invalid, which raises ValueError in the application.
	EarlyHints func(slot int, head []byte) bool
	// ReadBody is wsgi.input over Body.Stream: it waits until there are bytes for buf and
	// gives their number, 0 at the end of the body, or a negative errno. EINTR: Python looks
	// for signals and asks again. Any thread of the process may call it.
	ReadBody func(stream uint64, buf []byte) int
	// Socket is asked for gunicorn.socket, before the application uses it. It gives how many bytes
	// were received behind the request, put into buf if it has room for them; if it has not, nothing
	// was done. Or a negative errno. Any thread of the process may call it while slot's call runs.
	Socket func(slot int, use call.SocketUse, buf []byte) int
	// Thread is the body of each thread of StartThreads.
	Thread func(t *Thread)
}

// SetWorkerEntry names the function that a worker enters when Go is a library in the user's
// own python, where no main() runs. For package initialisation.
func SetWorkerEntry(run func()) { cgo.SetWorkerEntry(run) }

// SetCallbacks installs c for the life of the process, before the first Call.
func SetCallbacks(c Callbacks) {
	cgo.SetCallbacks(cgo.Callbacks{
		Write: c.Write, EarlyHints: c.EarlyHints, ReadBody: c.ReadBody, Socket: c.Socket,
		Thread: func(slot int, t cgo.Thread) { c.Thread(&Thread{c: t, slot: slot}) },
	})
}

var errThreads = errors.New("cannot start the worker's threads; the reason is in the error log")

// StartThreads starts n daemon threading.Threads named name_0, name_1 ..., each entering
// Callbacks.Thread. It returns when all are started, not when they have entered.
func (t *Thread) StartThreads(n int, name string) error {
	if !t.c.ThreadsStart(n, name) {
		return errThreads
	}
	return nil
}

// fdTable has one byte a descriptor, in C memory, so that a forked child of the
// application can close the server's sockets without running Go.
var fdTable = cgo.FDTable()

// OwnFD marks or unmarks fd as the server's. It costs no system call and no crossing.
func OwnFD(fd int, own bool) {
	if fd < 0 || fd >= len(fdTable) {
		return
	}
	fdTable[fd] = 0
	if own {
		fdTable[fd] = 1
	}
}

// Counters are the Python references that calls took and dropped so far, equal when no
// call is live and none leaked, and how often calls entered C.
func (t *Thread) Counters() (taken, dropped, crossings uint64) { return t.c.Counters() }

// Getenv is a variable of the process's environment as the application has left it: Go's
// own os.Getenv knows what the process was started with, and nothing of os.environ.
func (t *Thread) Getenv(name string) (value string, set bool) { return t.c.Getenv(name) }

// ReopenLogs hands Python's loggers the new error log; main thread only. fd stays the caller's.
func (t *Thread) ReopenLogs(fd int) { t.c.LogsReopen(fd) }

// LogRoute says what Python's loggers are to write instead of Go.
type LogRoute struct {
	FD      int  // SOCK_SEQPACKET, for what is Python's to log; Python's own; -1: nothing is
	Errors  bool // lines of the error log
	Access  bool // lines of the access log
	Metrics bool // and what is measured of requests
	Level   int  // the least level of the error log, as Python counts
}

// LogRoute looks at the loggers as the application has left them; main thread only.
func (t *Thread) LogRoute() LogRoute {
	fd, python, level := t.c.LogsRoute()
	return LogRoute{fd, python&1 != 0, python&2 != 0, python&4 != 0, level}
}

// Refork forks a zygote off this worker, which has nothing more to serve: the child loads the
// library behind one descriptor and obeys the master behind the other. Both stay the caller's.
func (t *Thread) Refork(control, library int) error {
	if e := t.c.Refork(control, library); e != 0 {
		return e
	}
	return nil
}

// Exit ends the process as `python` would: waits for non-daemon threads, runs atexit,
// flushes; the interpreter is not finalised. After deadlineMillis it ends all the same.
func (t *Thread) Exit(code, deadlineMillis int) { t.c.Exit(code, deadlineMillis) }
