package workerctl

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Orders are imperative and go from master to worker; facts are in the past or
// present tense and go from worker to master.

// Serve is the first message to a worker: everything it needs to serve. Its
// descriptors are named in order by FDs.
type Serve struct {
	Worker    Identity   `json:"worker"`
	Settings  Settings   `json:"settings"`
	Listeners []Listener `json:"listeners"` // one per "listener" in FDs, same order
	FDs       []string   `json:"fds"`       // FDScoreboard, FDErrorLog, FDAccessLog, FDListener ...
}

// Names in Serve.FDs and ReopenLogs.FDs.
const (
	FDScoreboard = "scoreboard"
	FDMetrics    = "metrics" // only if something is measured
	FDErrorLog   = "errorlog"
	FDAccessLog  = "accesslog" // only if an access log is set
	FDListener   = "listener"
	FDChallenges = "challenges" // only if certificates are ordered: challenges.Of
	FDTLS        = "tls"        // only if TLS is spoken: tlspolicy.Open reads it

	// With class sync and more than one worker, unless hand-overs are switched
	// off: the two ends of the exchange, and the memory of its claims.
	FDExchangeIn  = "exchange-in"
	FDExchangeOut = "exchange-out"
	FDClaims      = "claims"
)

// StackSignal makes a process that runs Python write the stacks of its threads,
// without the GIL: to the error log, as long as it has no Go. pyshim's stacks.py
// has the same number.
const StackSignal = unix.Signal(63)

// Identity says which worker this is.
type Identity struct {
	Nr         int `json:"nr"`         // place in the table, reused by a successor
	Age        int `json:"age"`        // counts all workers ever started, from 1 (Gunicorn's worker.age)
	Generation int `json:"generation"` // of the zygote that forked it, from 1
	Slot       int `json:"slot"`       // scoreboard slot it alone writes
}

// Listener describes one listening socket.
type Listener struct {
	Kind string `json:"kind"`           // "tcp" or "unix"
	Host string `json:"host,omitempty"` // tcp: as bound, IPv6 without brackets
	Port int    `json:"port,omitempty"` // tcp: as bound, never 0
	Path string `json:"path,omitempty"` // unix; "\x00name" for an abstract socket
	ID   int    `json:"id,omitempty"`   // the master's number for the socket, with --reuse-port

	HTTPS bool `json:"https,omitempty"` // TLS is spoken on it
}

// Name is the listener's address as users write it.
func (l *Listener) Name() string {
	if l.Kind == "unix" {
		return "unix:" + strings.Replace(l.Path, "\x00", "@", 1)
	}
	return l.Host + ":" + strconv.Itoa(l.Port)
}

// Drain orders a graceful stop: finish what runs or waits, then exit.
type Drain struct {
	GracefulTimeout float64 `json:"graceful_timeout"` // seconds until the master sends SIGKILL
	Final           bool    `json:"final"`            // no other worker will serve what waits in the accept queues
}

// Refork orders the worker to be a new zygote's parent when its drain, which is ordered next,
// is over. With it go the zygote's end of its channel and the library that it loads.
type Refork struct{}

// Cover orders to serve one more socket of an address, whose own worker is not
// there (--reuse-port). Its descriptor comes along.
type Cover struct {
	Listener Listener `json:"listener"`
}

// Uncover orders to serve a socket no longer: what waits in it is served, then
// it is closed.
type Uncover struct {
	ID int `json:"id"`
}

// Look orders to look into the accept queues: somebody may wait there for whom
// this worker was not woken.
type Look struct{}

// Exchange gives a worker that was alone what it needs to hand connections over,
// now that there are others. Its descriptors are named in order by FDs.
type Exchange struct {
	FDs []string `json:"fds"` // FDExchangeIn, FDExchangeOut, FDClaims
}

// Quit orders a quick stop: cut what runs.
type Quit struct{}

// ReopenLogs carries new log descriptors, named in order by FDs.
type ReopenLogs struct {
	FDs []string `json:"fds"`
}

// Certificates carries another TLS policy for the handshakes that come; its descriptor is
// what FDTLS is in Serve.
type Certificates struct{}

// WorkerSpawned is sent by the shim right after the fork.
type WorkerSpawned struct {
	PID int `json:"pid"`
}

// WorkerNotified is sent by the shim while it boots: worker.notify() was called,
// so the time-out of the boot begins again.
type WorkerNotified struct{}

// WorkerImported is sent by the shim once it has imported the application, where
// workers share the standard library with their zygote.
type WorkerImported struct {
	Modules []string `json:"modules"` // of the standard library, that a zygote could import for it
	// Obstacle is why a worker has to import all itself, "" if not. One for which
	// the zygote has imported some ends after that word, with exit code 0.
	Obstacle string `json:"obstacle"`
}

// WorkerFailed says why the application could not be served; the worker then
// exits with code Exit.
type WorkerFailed struct {
	Stage     string `json:"stage"`     // what was being done: "app", "boot", "hook", ...
	Exit      int    `json:"exit"`      // ExitBoot or ExitApp
	Message   string `json:"message"`   // one line
	Traceback string `json:"traceback"` // Python's text, may be empty
}

// Exit codes of a worker that could not start, as Gunicorn's.
const (
	ExitBoot = 3 // the worker failed to boot
	ExitApp  = 4 // the application was not found in its module
)

// WorkerReady says that the application is imported and the loop accepts.
type WorkerReady struct {
	Notice string `json:"notice"` // a warning that other workers have as well, for the master to log once; or ""
}

// WorkerWantsSuccessor says that the worker has served as many requests as it should
// (max_requests). It serves on until its successor is ready and it is told to
// drain.
type WorkerWantsSuccessor struct{}

// WorkerDraining says that the worker takes no new connections from now on.
type WorkerDraining struct {
	Reason string `json:"reason"` // "max_requests", "signal", "order"
	Queue  bool   `json:"queue"`  // it leaves connections in an accept queue for the others
}

// WorkerTimedOut says that the worker does not come out of the application in
// time. It has answered and logged what it could, and waits for its end.
type WorkerTimedOut struct{}

// WorkerExiting is the last message of an orderly end.
type WorkerExiting struct {
	Requests  uint64 `json:"requests"`  // served in its life
	Taken     uint64 `json:"taken"`     // Python references taken and dropped by the C side;
	Dropped   uint64 `json:"dropped"`   // equal unless there is a leak
	Crossings uint64 `json:"crossings"` // steps of application calls that entered C
}

// Type implements Message.
func (Serve) Type() string { return "Serve" }

// Type implements Message.
func (Drain) Type() string { return "Drain" }

// Type implements Message.
func (Refork) Type() string { return "Refork" }

// Type implements Message.
func (Cover) Type() string { return "Cover" }

// Type implements Message.
func (Uncover) Type() string { return "Uncover" }

// Type implements Message.
func (Look) Type() string { return "Look" }

// Type implements Message.
func (Exchange) Type() string { return "Exchange" }

// Type implements Message.
func (Quit) Type() string { return "Quit" }

// Type implements Message.
func (ReopenLogs) Type() string { return "ReopenLogs" }

// Type implements Message.
func (Certificates) Type() string { return "Certificates" }

// Type implements Message.
func (WorkerImported) Type() string { return "WorkerImported" }

// Type implements Message.
func (WorkerSpawned) Type() string { return "WorkerSpawned" }

// Type implements Message.
func (WorkerNotified) Type() string { return "WorkerNotified" }

// Type implements Message.
func (WorkerFailed) Type() string { return "WorkerFailed" }

// Type implements Message.
func (WorkerReady) Type() string { return "WorkerReady" }

// Type implements Message.
func (WorkerWantsSuccessor) Type() string { return "WorkerWantsSuccessor" }

// Type implements Message.
func (WorkerDraining) Type() string { return "WorkerDraining" }

// Type implements Message.
func (WorkerTimedOut) Type() string { return "WorkerTimedOut" }

// Type implements Message.
func (WorkerExiting) Type() string { return "WorkerExiting" }
