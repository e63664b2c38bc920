// Package server is the event loop of a worker: a connection from accept to close, and one request after
// the other in between. DESIGN.md, above, follows a request from the socket and back.
package server

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/access"
	"gosrv/wsgi/body"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
	"gosrv/wsgi/spool"
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
	MaxEngaged                int         // worker_connections: connections with a complete request
	Bodies                    body.Limits // limit_request_body, and where bodies lie
	StreamBody                bool        // stream_request_body
	NoEnvironCache            bool        // no_environ_memo
	Server                    string      // server_header
}

// Application is one thread's door to the WSGI application; *cpython.Thread is
// one. What is lent to a method is lent until it returns; a Result's Ref stays
// valid until the next method for the same call. Only the thread that the door
// belongs to may use it.
type Application interface {
	Call(r *cpython.Request, res *cpython.Result) cpython.State
	Next(flags uint32, out []byte, res *cpython.Result) cpython.State
	Batch(flags uint32, out []byte, end int, left int64, res *cpython.Result) cpython.State
	Finish(res *cpython.Result)
	RunSignals() cpython.Flags
	Release()
	Blocks(old, made []cpython.Block) int
	DropPages()
}

// Config is all that a Server is made from, but for its sockets.
type Config struct {
	Settings
	Worker workerctl.Identity
	Policy http1.Policy
	Rules  *environ.Rules
	Proxy  ProxyRules
	Board  *scoreboard.Board
	Log    *errlog.Logger
	Access *access.Log
	Files  *spool.Store
	Notice string // what the master is to say of the place for spool files
	Process
}

// Process is what the loop needs of the process that it serves in. Functions are called on any thread
// unless they say otherwise.
type Process struct {
	Control    int    // readable when ReadOrders has something to do; -1: nobody gives orders
	ReadOrders func() // has the Server told what the master wants; the main thread's
	Tell       func(m workerctl.Message)
	Own        func(fd int, own bool) // marks sockets that a forked child closes

	Wakeup int           // readable when a Python signal handler is due; -1: none
	Word   *cpython.Word // what hooks say, and are told; max_requests is theirs to say
	Idle   IdleMemory
	Base   func(kv []cpython.KV) (cpython.Base, error) // makes a listener's part of environ; the main thread's
	Outbox func() (cpython.Outbox, bool)               // see cpython.NewOutbox

	Probe  func()                           // takes the GIL and gives it back; nil: there is none
	Stacks func(late, idle []uint64) string // cpython.Stacks; nil: there are none
	Ident  func() uint64                    // cpython.ThreadIdent
}

// IdleMemory gives back what a worker at rest does not need.
type IdleMemory interface {
	// Begin is called once, when the worker is ready. Times are CLOCK_MONOTONIC ns.
	Begin(now int64) (next int64)
	// Look is called between two waits, when the moment is there that it or Begin has named, when so many
	// bytes of buffers were dropped, or blocks of bodies freed. It must not take long.
	Look(t Resting, now int64, dropped int, freed bool) (next int64)
}

// Resting is a thread between two calls of the application.
type Resting interface {
	MayEnter() bool // false: DropPages might wait for a call
	DropPages()     // see cpython.Thread
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
			rules: c.Rules, proxy: c.Proxy, policy: c.Policy,
			kept: response.KeptLines(c.Promise), server: response.ServerLine(c.Settings.Server),
		},
	}, poll, newTimers(&c.Settings))
	l.keepAlive = c.KeepAlive
	l.mem = body.Memory{Limits: c.Bodies, Files: c.Files, Warn: func(text string) { c.Log.Warningf("%s", text) }}
	l.streamRules = body.StreamRules{Policy: &l.policy, Limit: c.Bodies.Body, Timeout: c.Body}
	if !c.NoEnvironCache {
		l.lines = http1.NewLines(c.Rules.Mark)
	}
	l.graceful.Store(int64(c.Graceful))
	return &Server{l.worker, l}, nil
}

// Listen takes a listening socket that is to be served.
func (s *Server) Listen(fd int, d workerctl.Listener) error {
	l := newListener(fd, d, s.w.rules)
	var kv []cpython.KV
	for _, v := range l.about.Base(s.w.rules) {
		kv = append(kv, cpython.KV{Key: v.Name, Value: v.Value})
	}
	var err error
	if l.base, err = s.w.Base(kv); err != nil {
		return fmt.Errorf("listener %s: %w", l.name(), err)
	}
	s.l.listeners = append(s.l.listeners, l)
	return nil
}

func newListener(fd int, d workerctl.Listener, rules *environ.Rules) *listener {
	l := &listener{fd: fd, id: d.ID, constant: map[string][]byte{}, about: environ.Listener{
		Unix: d.Kind == "unix", Host: d.Host, Port: uint16(d.Port), Path: strings.Replace(d.Path, "\x00", "@", 1), // no NUL in SERVER_NAME
	}}
	for _, v := range l.about.Base(rules) {
		l.constant[strings.ToLower(v.Name)] = []byte(v.Value)
	}
	return l
}

// name is the listener's address as users write it.
func (l *listener) name() string {
	if l.about.Unix {
		return "unix:" + l.about.Path
	}
	return l.about.Host + ":" + strconv.Itoa(int(l.about.Port))
}

// Exchange takes one of the descriptors by which workers hand connections over, by its name in Serve.FDs.
func (s *Server) Exchange(name string, fd int) error { return s.l.handover.exchange.Add(name, fd) }

// Run serves until the worker is told to end and has nothing left to do. start
// makes the threads of a pool: each is to call Enlist.
func (s *Server) Run(app Application, start func(n int) error) error { return run(s.l, app, start) }

// Enlist makes the calling thread the n-th of the pool's, from 1, for life.
func (s *Server) Enlist(n int, app Application) { enlist(s.w, n, app) }

// Callbacks are what the application reaches while a thread is inside it.
func (s *Server) Callbacks() cpython.Callbacks {
	w := s.w
	return cpython.Callbacks{
		Write: func(slot int, batch cpython.Batch, head, data []byte) bool {
			return w.slots[slot].write(batch, head, data)
		},
		EarlyHints: func(slot int, head []byte) bool { return w.slots[slot].hints(head) },
		ReadBody:   w.streams.Read,
		Socket: func(slot int, use cpython.SocketUse, buf []byte) int {
			return useSocket(&w.slots[slot].responder, use, buf)
		},
		Thread: func(t *cpython.Thread) { enlist(w, t.Slot(), t) },
	}
}

// Graceful is how long a drain may take, 0: any time. Any thread may ask.
func (s *Server) Graceful() time.Duration { return time.Duration(s.w.graceful.Load()) }

// Served is the number of requests so far. Ask after Run.
func (s *Server) Served() uint64 { return s.l.served }

// AtRest tells, after Run, whether the worker has ended in order and without a thread that is still inside
// the application, where it may hold locks.
func (s *Server) AtRest() bool {
	k := &s.w.pool
	stuck := s.w.lost.Load() > 0 || k.size > 1 && int(k.out.Load()) < k.size
	return !stuck && !s.l.drain.final && !s.w.quitting.Load()
}

// run serves until the worker is told to end and has nothing left to do.
func run(w *eventLoop, app Application, start func(n int) error) error {
	s := newSlot(w, 0, app)
	s.l = w
	s.watched.Ident.Store(w.Ident())
	w.slots = append(w.slots[:0], s)
	for _, l := range w.listeners {
		w.Own(l.fd, true)
	}
	w.Own(w.poll.FD(), true)
	if err := newPool(w, w.set.Threads); err != nil {
		return err
	}
	if err := attendTo(w.worker); err != nil {
		return err
	}
	if w.handover.exchange.Joined() && w.set.Threads == 1 {
		if err := newBackup(w); err != nil {
			return err
		}
	}
	// In this order: the master takes a worker that is not idle yet for one that
	// reads its orders before it accepts.
	w.score.SetState(scoreboard.Idle)
	w.ReadOrders()
	if err := w.listen(); err != nil {
		return err
	}
	w.now = loop.Now()
	w.restDue = w.Idle.Begin(w.now)
	w.watch = newWatchdog(w.worker)
	defer w.watch.End()
	if w.pool.size > 1 {
		s.l = nil // the first thread of the pool leads
		return supervise(w, start)
	}
	w.outbox.answers, w.keeps = w.Outbox()
	startWatchdog(w.worker)
	w.Tell(workerctl.WorkerReady{Notice: w.notice})
	for !w.ended() {
		s.l.turn(s)
	}
	s.sendKept()
	shut(s)
	if w.backup != nil {
		w.backup.End()
	}
	for c := s.nextTodo(); c != nil; c = s.nextTodo() {
		s.finish(c.ans)
	}
	return nil
}

// shut ends what is left when the time is up. What other threads are at is
// theirs.
func shut(s *slot) {
	for _, c := range s.l.conns {
		if c != nil && c.phase != serving {
			s.abandon(c)
		}
	}
}
