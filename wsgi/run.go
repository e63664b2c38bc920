package wsgi

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/body"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/orphan"
	"gosrv/wsgi/osthread"
	"gosrv/wsgi/response"
	"gosrv/wsgi/spool"
)

// exitDeadline is how long, in ms, Python's own threads and atexit functions
// may take at the end.
const exitDeadline = 10_000

// threadName begins the names of the application's threads, as those of
// Gunicorn's pool.
const threadName = "ThreadPoolExecutor-0"

func init() { cpython.SetWorkerEntry(Run) }

// Run is a worker from the start of Go to its end; it never returns. Call it
// on the process's main thread from a goroutine that is locked to it. It looks
// at neither flags nor os.Args: all it needs comes over the control channel.
func Run() {
	t := cpython.Attach()
	ownRuntime(cpython.OwnFD)
	osthread.Keep(osthread.Usual)
	collectAt(restPercent)
	ctl := workerctl.NewConn(cpython.ControlFD())
	if tz, set := t.Getenv("TZ"); set {
		time.Local = zoneOf(tz) // of the logs; Django, for one, sets it when it is imported
	}
	script, _ := t.Getenv("SCRIPT_NAME")
	w, err := receive(ctl, script)
	if err == nil {
		err = bases(w, t)
	}
	if err != nil {
		_ = ctl.Send(workerctl.WorkerFailed{Stage: "boot", Exit: workerctl.ExitBoot, Message: err.Error()})
		t.Exit(workerctl.ExitBoot, exitDeadline)
	}
	orphan.Follow(ctl.FD(), func() time.Duration { return time.Duration(w.graceful.Load()) + lateThreads }, w.log)
	w.mem.Files, w.notice = spool.New(spool.Dirs(w.set.tmpDir, t.Getenv))
	w.word = cpython.WorkerWord()
	w.follow(t.LogRoute())
	w.wakeup, w.own, w.pythonLog = cpython.WakeupFD(), cpython.OwnFD, t.ReopenLogs
	w.own(ctl.FD(), true)
	cpython.SetCallbacks(cpython.Callbacks{
		Write: func(slot int, batch cpython.Batch, head, data []byte) bool {
			return w.slots[slot].write(batch, head, data)
		},
		EarlyHints: func(slot int, head []byte) bool { return w.slots[slot].hints(head) },
		ReadBody:   w.streams.Read,
		Socket: func(slot int, use cpython.SocketUse, buf []byte) int {
			return useSocket(&w.slots[slot].responder, use, buf)
		},
		Thread: func(t *cpython.Thread) { enlist(w.worker, t.Slot(), t) },
	})
	w.probe, w.stacks, w.ident = cpython.ProbeGIL, cpython.Stacks, cpython.ThreadIdent
	start := func(n int) error { return t.StartThreads(n, threadName) }
	if err := run(w, t, start); err != nil {
		w.log.Criticalf("Worker cannot serve: %v", err)
		_ = ctl.Send(workerctl.WorkerFailed{Stage: "boot", Exit: workerctl.ExitBoot, Message: err.Error()})
		t.Exit(workerctl.ExitBoot, exitDeadline)
	}
	lookForReforkOrder(w.worker)
	w.closeAccess()
	w.log.Infof("Worker exiting (pid: %d)", os.Getpid())
	w.out.Route.Close()
	forkZygote(w, t.Refork)
	taken, dropped, crossings := t.Counters()
	w.tell(workerctl.WorkerExiting{Requests: w.served, Taken: taken, Dropped: dropped, Crossings: crossings})
	t.Exit(0, exitDeadline)
}

// receive reads the first message and makes the worker it describes. script is
// the application's SCRIPT_NAME.
func receive(ctl *workerctl.Conn, script string) (*eventLoop, error) {
	typ, raw, fds, err := ctl.Recv()
	if err != nil {
		return nil, fmt.Errorf("reading the worker's orders: %w", err)
	}
	var m workerctl.Serve
	if typ != "Serve" {
		return nil, fmt.Errorf("the first order is %s, not Serve", typ)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("reading the worker's orders: %w", err)
	}
	if len(fds) != len(m.FDs) {
		return nil, fmt.Errorf("%d descriptors came for %d names", len(fds), len(m.FDs))
	}
	w, err := newWorker(newSettings(&m.Settings, script), &m)
	if err != nil {
		return nil, err
	}
	w.ctl = ctl
	return w, takeFDs(w, &m, fds)
}

// newWorker makes a worker without descriptors.
func newWorker(set settings, m *workerctl.Serve) (*eventLoop, error) {
	rules, err := newRules(&m.Settings, set.script)
	if err != nil {
		return nil, err
	}
	proxy, err := newProxyRules(&m.Settings)
	if err != nil {
		return nil, err
	}
	poll, err := loop.NewPoller()
	if err != nil {
		return nil, err
	}
	w := newEventLoop(&worker{
		set: set, id: m.Worker, own: func(int, bool) {}, watcher: poll, unpoll: poll.Remove,
		logging:  logging{logFDs: map[string]int{}},
		lateness: lateness{ident: func() uint64 { return 0 }},
		protocol: protocol{
			rules: rules, proxy: proxy, policy: newPolicy(&m.Settings),
			kept: response.KeptLines(set.promise), server: response.ServerLine(set.server),
		},
	}, poll, newTimers(&set))
	w.wakeup, w.word = -1, new(cpython.Word)
	w.keepAlive = set.keepAlive
	w.mem = body.Memory{Limits: set.bodies, Warn: func(text string) { w.log.Warningf("%s", text) }}
	w.streamRules = body.StreamRules{Policy: &w.policy, Limit: set.bodies.Body, Timeout: set.body}
	if !set.noEnvironCache {
		w.lines = http1.NewLines(rules.Mark)
	}
	w.graceful.Store(int64(set.graceful))
	return w, nil
}

// takeFDs gives the descriptors of Serve to their users.
func takeFDs(w *eventLoop, m *workerctl.Serve, fds []int) error {
	next := 0
	for i, name := range m.FDs {
		fd := fds[i]
		switch name {
		case workerctl.FDScoreboard:
			board, err := scoreboard.Open(fd)
			if err != nil {
				return err
			}
			if m.Worker.Slot < 0 || m.Worker.Slot >= board.Slots() {
				return fmt.Errorf("scoreboard slot %d does not exist", m.Worker.Slot)
			}
			w.board, w.score = board, board.Slot(m.Worker.Slot)
		case workerctl.FDErrorLog:
			w.log = errlog.New(fd, m.Settings.LogLevel)
			w.logFDs[name] = fd
		case workerctl.FDAccessLog:
			w.openAccessLog(m.Settings.AccessLogFormat, fd)
		case workerctl.FDListener:
			if next == len(m.Listeners) {
				return fmt.Errorf("more listening sockets than descriptions")
			}
			w.listeners = append(w.listeners, newListener(fd, m.Listeners[next], w.rules))
			next++
		default:
			if err := w.handover.exchange.Add(name, fd); err != nil {
				return err
			}
		}
	}
	if w.score == nil || w.log == nil {
		return fmt.Errorf("no scoreboard or no error log came with the orders")
	}
	w.score.Init(os.Getpid(), m.Worker.Generation)
	return w.openDestinations(&m.Settings)
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

// bases builds the constant environ of each listener.
func bases(w *eventLoop, t *cpython.Thread) error {
	for _, l := range w.listeners {
		var kv []cpython.KV
		for _, v := range l.about.Base(w.rules) {
			kv = append(kv, cpython.KV{Key: v.Name, Value: v.Value})
		}
		var err error
		if l.base, err = t.NewBase(kv); err != nil {
			return fmt.Errorf("listener %s: %w", l.name(), err)
		}
	}
	return nil
}

// name is the listener's address as users write it.
func (l *listener) name() string {
	if l.about.Unix {
		return "unix:" + l.about.Path
	}
	return l.about.Host + ":" + strconv.Itoa(int(l.about.Port))
}

// run serves until the worker is told to end and has nothing left to do. start
// makes the threads of a pool: each is to call enlist.
func run(w *eventLoop, app Application, start func(n int) error) error {
	s := newSlot(w, 0, app)
	s.l = w
	s.watched.Ident.Store(w.ident())
	w.slots = append(w.slots[:0], s)
	for _, l := range w.listeners {
		w.own(l.fd, true)
	}
	w.own(w.poll.FD(), true)
	if err := newPool(w, w.set.threads); err != nil {
		return err
	}
	if err := attendTo(w.worker); err != nil {
		return err
	}
	if w.handover.exchange.Joined() && w.set.threads == 1 {
		if err := newBackup(w); err != nil {
			return err
		}
	}
	// In this order: the master takes a worker that is not idle yet for one that
	// reads its orders before it accepts.
	w.score.SetState(scoreboard.Idle)
	w.control(w)
	if err := w.listen(); err != nil {
		return err
	}
	w.now = loop.Now()
	w.idleMemory.begin(w.now)
	w.watch = newWatchdog(w.worker)
	defer w.watch.End()
	if w.pool.size > 1 {
		s.l = nil // the first thread of the pool leads
		return supervise(w, start)
	}
	w.outbox.answers, w.keeps = cpython.NewOutbox()
	startWatchdog(w.worker)
	w.tell(workerctl.WorkerReady{Notice: w.notice})
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
