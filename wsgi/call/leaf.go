package call

import "gosrv/wsgi/http1"

// Ref names a request under way: its place in a table of both sides, and a number that tells it from those that had
// the place before. Its layout is that of leaf_ref.
type Ref struct{ Place, Number uint32 }

// Leaves are what the server is asked for by requests that do not run in threads of Go's, but on the main thread inside an
// event loop of the application's side. Between entering one of them and coming back nothing of that side runs:
// none waits, and none calls it. A Ref that is not known any more is that of a request that is over.
type Leaves interface {
	// Turn is one turn of the server's loop: into t goes what is to be done. signals are what handlers have asked
	// for since the last. Whoever is woken looks itself whether it can go on.
	Turn(signals Flags, t Turn)
	// Answer sends one piece of an answer, as a step gives it: out is the buffer that the result speaks of. With Wait what Ref
	// lends stays lent until a Turn wakes the request, or until Answer is called with Failed: the request will
	// say nothing more.
	Answer(r Ref, state State, res *Result, out []byte) Outcome
	// Body puts bytes of the request's body into buf: all of Body.Mem with stream 0; else what is here of the
	// stream of that number. It gives their number, 0 at the end, or a negative errno: with EAGAIN a Turn wakes
	// the request when there may be more.
	Body(r Ref, stream uint64, buf []byte) int
	// Socket and Hints are as for threads: Server.UseSocket, Server.EarlyHints.
	Socket(r Ref, use SocketUse, buf []byte) int
	Hints(r Ref, head []byte) bool
	// End is the last of a request: its call is closed. state is Last if its answer was given as a whole; Failed, Quit,
	// Handled and Done are those of a step. res has the descriptor of a connection that was taken over, and the
	// notes; head is for the log only.
	End(r Ref, state State, res *Result, head []byte)
}

// Turn is told what a turn of the loop has brought, while it lasts.
type Turn interface {
	// Room tells whether a request like this can be told of; nothing of it has to be right but Head and Parsed.
	Room(r *Request) bool
	// Request tells of a complete one, which begins after the turn. Or gives the reason why it is refused.
	Request(ref Ref, r *Request) *http1.Error
	// Wake and Throw name a request that may go on, and one that is to end; false: there is no room.
	Wake(ref Ref) bool
	Throw(ref Ref) bool
	// Do is called once. logFD, which is not the caller's any more, goes with ChoreReopen.
	Do(c Chores, logFD int)
}

// Outcome is what came of a piece.
type Outcome int

// The outcomes: it is with the kernel; it waits; nobody wants it; it is with the kernel, and no other is wanted.
const (
	Sent Outcome = iota
	Wait
	Gone
	Enough
)

// Chores are what the application's side is to do after a turn.
type Chores uint32

// The bits of Chores.
const (
	ChoreSignals Chores = 1 << iota // run the signal handlers that are due
	ChoreEnded                      // end the event loop: no turn follows
	ChorePages                      // drop pages of code, as Application.DropPages
	ChoreRelax                      // nothing has run for a while: memory kept for requests may go
	ChoreExits                      // those of Throw are to end because the worker does, not because they are late
	ChoreReopen                     // there is a new error log
)
