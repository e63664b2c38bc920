// Package server is the event loop of a worker: a connection from accept to close, and one request after
// the other in between. DESIGN.md, above, follows a request from the socket and back.
package server

import (
	"errors"
	"net/netip"
	"time"

	"gosrv/wsgi/access"
	"gosrv/wsgi/answer"
	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/h2io"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/http1/proxyproto"
	"gosrv/wsgi/ipc/challenges"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/tlspolicy"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
	"gosrv/wsgi/spool"
	"gosrv/wsgi/tlsio"
)

// Settings is what the loop needs of Gunicorn's settings, in its own units.
// A time of 0 is "never".
type Settings struct {
	Header, Body, Write, Idle time.Duration
	Graceful                  time.Duration
	Timeout, Request          time.Duration // timeout, request_timeout
	Sync                      bool          // the class is sync: timeout counts a request's time
	Overtime                  time.Duration // an idle connection gets so much more than Idle
	Parting                   Parting
	Promise                   int // seconds of Keep-Alive: timeout=N; 0: none is given
	KeepAlive                 bool
	Threads                   int
	Backlog                   int
	MaxConns                  int
	HTTP2                     HTTP2
	MaxEngaged                int         // worker_connections: connections with a complete request
	Bodies                    body.Limits // limit_request_body, and where bodies lie
	Own
}

// Own are settings that Gunicorn does not have, and that no limit is part of.
type Own struct {
	StreamBody     bool   // stream_request_body
	NoEnvironCache bool   // no_environ_memo
	Server         string // server_header
	Health         string // health_path; "": none
	KeepAll        bool   // no_hand_over, where there is an exchange all the same
}

// Describer knows what the application's side makes of a request. The one of an Application is used by its thread,
// and by the watchdog in its place.
type Describer interface {
	// Describe prepares the Call of a request, or gives the refusal. The caller leads the loop, so that threads
	// come one after the other; with no r.Block it need not.
	Describe(r *call.Request) *http1.Error
	access.Environ // of the request described last
}

// Application is one thread's door to the application. What is lent to a method is lent until it returns; a
// Result's Ref stays valid until the next method for the same call. Only the thread that the door belongs to may
// use it.
type Application interface {
	Describer
	answer.Calls
	// Call runs the application for the request described last. See call.Result for what comes of it.
	Call(r *call.Request, res *call.Result) call.State
	Blocks(old, made []call.BodyBlock) int
	DropPages()
}

// Config is all that a Server is made from, but for its sockets.
type Config struct {
	Settings
	Worker workerctl.Identity
	Policy http1.Policy
	Caller
	Board  *scoreboard.Board
	Log    *errlog.Logger
	Access *access.Log
	Meter  *metrics.Memory // nil: nothing is measured
	Files  *spool.Store
	TLS    *tlspolicy.Policy // nil: plain
	// Challenges are what an ACME directory may ask for; nil: nothing is ordered there.
	Challenges *challenges.File
	Notice     string // what the master is to say of the place for spool files
	Process
}

// Caller is what the loop asks of the application's side beside requests. Any thread may.
type Caller struct {
	Listen    func(d workerctl.Listener) (call.Listener, error) // a listener that comes before Run; the main thread's
	Describer func() Describer                                  // one that belongs to no thread of the application
	Trusts    func(peer netip.Addr) bool                        // whether it may say who its client is, by header
	MarkLine  func(name []byte) uint32                          // see http1.NewLines
	Proxy     proxyproto.Mode
	MayProxy  func(peer netip.Addr) bool // send a PROXY header
}

// Process is what the loop needs of the process that it serves in. Functions are called on any thread
// unless they say otherwise.
type Process struct {
	Control    int    // readable when ReadOrders has something to do; -1: nobody gives orders
	ReadOrders func() // has the Server told what the master wants; the main thread's
	Tell       func(m workerctl.Message)
	Own        func(fd int, own bool) // marks sockets that a forked child closes

	Wakeup int        // readable when a Python signal handler is due; -1: none
	Word   *call.Word // what hooks say, and are told; max_requests is theirs to say
	Idle   IdleMemory
	Outbox func() (call.Outbox, bool) // see cpython.NewOutbox

	Hub func(epollFD int, l call.Leaves) bool // runs Python's own event loop with the set in it; nil: there is none

	Probe  func()                           // takes the GIL and gives it back; nil: there is none
	Stacks func(late, idle []uint64) string // cpython.Stacks; nil: there are none
	Ident  func() uint64                    // cpython.ThreadIdent
}

// IdleMemory gives back what a worker at rest does not need.
type IdleMemory interface {
	// Begin is called once, when the worker is ready. Times are CLOCK_MONOTONIC ns.
	Begin(now int64) (next int64)
	// Look is called between two waits, when the moment is there that it or Begin has named, when so many
	// bytes of buffers were dropped, blocks of bodies freed, or (swollen, once until TrimBuffers) many buffers
	// are free. It must not take long.
	Look(t Resting, now int64, dropped int, freed, swollen bool) (next int64)
}

// Resting is a thread between two calls of the application.
type Resting interface {
	MayEnter() bool                       // false: DropPages might wait for a call
	DropPages()                           // see cpython.Thread
	TrimBuffers() (bytes int, again bool) // see loop.Buffers
}

// Server serves on the sockets of one worker. But for its orders it is used by the main thread only.
type Server struct {
	w *worker
	l *eventLoop // the main thread leads, or the pool's first thread will
}

// New makes a server without sockets.
func New(c *Config) (*Server, error) {
	poll, err := loop.NewPoller()
	if err != nil {
		return nil, err
	}
	l := newEventLoop(&worker{
		set: c.Settings, id: c.Worker, watcher: poll, unpoll: poll.Remove, Process: c.Process,
		log: c.Log, access: c.Access, board: c.Board, score: c.Board.Slot(c.Worker.Slot), notice: c.Notice,
		protocol: protocol{
			Caller: c.Caller, policy: c.Policy,
			kept: response.KeptLines(c.Promise), server: response.ServerLine(c.Settings.Server),
		},
	}, poll, newTimers(&c.Settings))
	l.keepAlive = c.KeepAlive
	l.answers.Patience = c.Write
	l.mem = body.Memory{Limits: c.Bodies, Files: c.Files, Warn: func(text string) { c.Log.Warningf("%s", text) }}
	l.streamRules = body.StreamRules{Policy: &l.policy, Limit: c.Bodies.Body, Timeout: c.Body}
	if !c.NoEnvironCache {
		l.lines = http1.NewLines(c.MarkLine)
	}
	if c.TLS != nil {
		if l.tls, err = tlsio.NewHandshakes(c.TLS, c.Challenges); err != nil {
			return nil, err
		}
	}
	if c.HTTP2.on() {
		l.ofStreams = c.Policy
		l.ofStreams.Stream = true
		if l.http2, err = h2io.NewTable(c.HTTP2.Settings); err != nil {
			return nil, err
		}
	}
	l.graceful.Store(int64(c.Graceful))
	l.meters.Open(c.Meter)
	return &Server{l.worker, l}, nil
}

// Listen takes a listening socket that is to be served.
func (s *Server) Listen(fd int, d workerctl.Listener) error {
	number, err := s.w.Listen(d)
	if err == nil {
		s.l.sources.listeners = append(s.l.sources.listeners, newListener(fd, &d, number))
	}
	return err
}

// Exchange takes one of the descriptors by which workers hand connections over, by its name in Serve.FDs.
func (s *Server) Exchange(name string, fd int) error { return s.l.sources.exchange.Add(name, fd) }

// Run serves until the worker is told to end and has nothing left to do. start
// makes the threads of a pool: each is to call Enlist.
func (s *Server) Run(app Application, start func(n int) error) error { return run(s.l, app, start) }

// Enlist makes the calling thread the n-th of the pool's, from 1, for life.
func (s *Server) Enlist(n int, app Application) { enlist(s.w, n, app) }

// Write is what start_response's write() reaches in the n-th thread: batch is what Application.Batch has in its
// buffer at that time, head the packed response head with the first call, empty later. It may wait for the client.
// False: the client is gone, or the head is faulty.
func (s *Server) Write(n int, batch call.Batch, head, data []byte) bool {
	t := s.w.threads[n]
	return t.cur != nil && t.Write(&t.cur.Conn, t.curAns, batch, head, data)
}

// EarlyHints sends 103 with the packed headers (the status is empty), or keeps them as what follows a stream's body
// (call.Trailers). False: one of them is invalid.
func (s *Server) EarlyHints(n int, head []byte) bool {
	t := s.w.threads[n]
	return t.cur == nil || hints(t, t.cur, t.curAns, head)
}

// ReadBody is wsgi.input over Body.Stream: it waits until there are bytes for buf and gives their number, 0 at
// the end of the body, or a negative errno. EINTR: look for signals and ask again. Any thread may call it.
func (s *Server) ReadBody(stream uint64, buf []byte) int { return s.w.streams.Read(stream, buf) }

// UseSocket is asked before the application uses gunicorn.socket in the n-th thread's request. It gives how many
// bytes were received behind the request, put into buf if it has room for them; if it has not, nothing was done.
// Or a negative errno. Any thread may call it while that request runs.
func (s *Server) UseSocket(n int, use call.SocketUse, buf []byte) int {
	return useSocket(s.w.threads[n], use, buf)
}

// ReopenPythonLog gives Python's loggers a new error log, which stays the caller's, by reopen where that may be called
// while the loop runs.
func (s *Server) ReopenPythonLog(reopen func(fd int)) func(fd int) {
	if s.w.Hub == nil {
		return reopen
	}
	return func(fd int) {
		if s.w.hub == nil {
			reopen(fd)
			return
		}
		s.w.hub.reopen(fd)
	}
}

// Graceful is how long a drain may take, 0: any time. Any thread may ask.
func (s *Server) Graceful() time.Duration { return time.Duration(s.w.graceful.Load()) }

// Served is the number of requests so far. Ask after Run.
func (s *Server) Served() uint64 { return s.l.served }

// AtRest tells, after Run, whether the worker has ended in order and without a thread that is still inside
// the application, where it may hold locks.
func (s *Server) AtRest() bool {
	return s.w.answers.Lost.Load() == 0 && s.w.crew.allOut() && !s.l.drain.final && !s.w.quitting.Load()
}

// run serves until the worker is told to end and has nothing left to do.
func run(w *eventLoop, app Application, start func(n int) error) error {
	w.answers.KeepsReply = w.access.KeepsReply()
	s := newAppThread(w, 0, app)
	s.l = w
	s.Watched.Ident.Store(w.Ident())
	w.threads = append(w.threads[:0], s)
	if err := ownSockets(w); err != nil {
		return err
	}
	if err := newPool(w, w.set.Threads); err != nil {
		return err
	}
	if err := attendTo(s); err != nil {
		return err
	}
	if w.sources.exchange.Joined() {
		in, out := w.sources.exchange.FDs()
		w.Own(in, true)
		w.Own(out, true)
		if w.set.Threads == 1 && w.Hub == nil {
			if err := newBackup(w); err != nil {
				return err
			}
		}
	}
	// In this order: the master takes a worker that is not idle yet for one that
	// reads its orders before it accepts.
	w.score.SetState(scoreboard.Idle)
	w.ReadOrders()
	if err := w.sources.listen(); err != nil {
		return err
	}
	w.now = loop.Now()
	w.restDue = w.Idle.Begin(w.now)
	if w.Hub != nil {
		return runHub(s)
	}
	w.watch = newWatchdog(w.worker)
	defer w.watch.End()
	if !w.crew.oneCalls() {
		s.l = nil // the first thread of the pool leads
		return supervise(w, start)
	}
	w.outbox.Transmitter, w.answers.Keeps = w.Outbox()
	startWatchdog(w.worker)
	w.Tell(workerctl.WorkerReady{Notice: w.notice})
	serveAlone(s)
	shut(s)
	w.crew.end()
	for c := s.nextTodo(); c != nil; c = s.nextTodo() {
		s.Finish(c.Suspended)
	}
	return nil
}

// ownSockets marks what a child that the application forks has no use for, and watches what other
// goroutines than the loop's have for it.
func ownSockets(w *eventLoop) error {
	for _, l := range w.sources.listeners {
		w.Own(l.fd, true)
	}
	w.Own(w.poll.FD(), true)
	var beside []int
	if w.tls != nil {
		beside = append(beside, w.tls.FD())
	}
	if w.http2 != nil {
		beside = append(beside, w.http2.FD())
	}
	for _, fd := range beside {
		w.Own(fd, true)
		if e := w.poll.Add(fd, special, loop.ReadLevel); e != loop.None {
			return e
		}
	}
	return nil
}

// runHub serves in an event loop of Python's. Requests that are still in the application at the end end with
// the process.
func runHub(s *appThread) error {
	w := s.l
	s.app, s.Calls = nil, nil // no leaf enters Python
	w.hub.startWatch()
	defer w.hub.watch.End()
	w.Tell(workerctl.WorkerReady{Notice: w.notice})
	w.hub.waker.Wake() // orders may have been read before there was anybody to obey them
	if !w.Hub(w.poll.FD(), w.hub) {
		return errors.New("the event loop of Python has ended before its time; the reason is in the error log")
	}
	shut(s)
	return nil
}

// shut ends what is left when the time is up. What other threads are at is
// theirs.
func shut(s *appThread) {
	for _, all := range [][]*conn{s.l.h2streams.conns, s.l.conns} {
		for _, c := range all {
			if c != nil && c.phase != serving {
				s.abandon(c)
			}
		}
	}
}
