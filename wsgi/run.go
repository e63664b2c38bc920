// Package wsgi is one worker: a process that serves HTTP/1.x (server) and runs the WSGI application. Here are
// its start and its end, its settings, and what the master orders. DESIGN.md follows a request from the socket and back.
package wsgi

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"gosrv/cpython"
	"gosrv/wsgi/access"
	"gosrv/wsgi/call"
	"gosrv/wsgi/caller"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/orphan"
	"gosrv/wsgi/osthread"
	"gosrv/wsgi/server"
	"gosrv/wsgi/spool"
)

const (
	// exitDeadline is how long, in ms, Python's own threads and atexit functions
	// may take at the end.
	exitDeadline = 10_000
	// threadName begins the names of the application's threads, as those of
	// Gunicorn's pool.
	threadName = "ThreadPoolExecutor-0"
)

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
	p, err := receive(ctl, t)
	if err != nil {
		fail(ctl, t, err)
	}
	orphan.Follow(ctl.FD(), func() time.Duration { return p.Graceful() + server.LateThreads }, p.log)
	p.access.Follow(access.Python(t.LogRoute()))
	p.pythonLog = p.ReopenPythonLog(t.ReopenLogs)
	cpython.OwnFD(ctl.FD(), true)
	cpython.SetCallbacks(cpython.Callbacks{
		Write: p.Write, EarlyHints: p.EarlyHints, ReadBody: p.ReadBody, Socket: p.UseSocket,
		Thread: func(t *cpython.Thread) { p.Enlist(t.Slot(), p.caller.Thread(t)) },
	})
	if err := p.Run(p.caller.Thread(t), func(n int) error { return t.StartThreads(n, threadName) }); err != nil {
		p.log.Criticalf("Worker cannot serve: %v", err)
		fail(ctl, t, err)
	}
	p.lookForReforkOrder()
	p.access.Close()
	p.log.Infof("Worker exiting (pid: %d)", os.Getpid())
	p.access.CloseRoute()
	p.forkZygote(p.AtRest(), t.Refork)
	taken, dropped, crossings := t.Counters()
	p.tell(workerctl.WorkerExiting{Requests: p.Served(), Taken: taken, Dropped: dropped, Crossings: crossings})
	t.Exit(0, exitDeadline)
}

// fail ends a worker that never served.
func fail(ctl *workerctl.Conn, t *cpython.Thread, err error) {
	_ = ctl.Send(workerctl.WorkerFailed{Stage: "boot", Exit: workerctl.ExitBoot, Message: err.Error()})
	t.Exit(workerctl.ExitBoot, exitDeadline)
}

// receive reads the first message and makes the worker that it describes.
func receive(ctl *workerctl.Conn, t *cpython.Thread) (*process, error) {
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
	p := &process{ctl: ctl, reforks: m.Settings.ReforkAfter > 0, own: cpython.OwnFD, logFDs: map[string]int{}}
	board, err := p.openLogs(&m, fds)
	if err != nil {
		return nil, err
	}
	c, err := p.config(&m, t)
	if err != nil {
		return nil, err
	}
	if c.TLS, err = tlsPolicy(m.FDs, fds); err != nil {
		return nil, err
	}
	c.Challenges = asked(m.FDs, fds)
	c.Board = board
	if p.Server, err = server.New(c); err != nil {
		return nil, err
	}
	return p, p.takeSockets(&m, fds)
}

// openLogs gives those descriptors of Serve to their users that say what goes on.
func (p *process) openLogs(m *workerctl.Serve, fds []int) (board *scoreboard.Board, err error) {
	accessLog := -1
	for i, name := range m.FDs {
		switch name {
		case workerctl.FDScoreboard:
			if board, err = scoreboard.Open(fds[i]); err != nil {
				return nil, err
			}
			if m.Worker.Slot < 0 || m.Worker.Slot >= board.Slots() {
				return nil, fmt.Errorf("scoreboard slot %d does not exist", m.Worker.Slot)
			}
		case workerctl.FDErrorLog:
			p.log = errlog.New(fds[i], m.Settings.LogLevel)
			p.logFDs[name] = fds[i]
		case workerctl.FDAccessLog:
			accessLog = fds[i]
		case workerctl.FDMetrics:
			if p.meter, err = metrics.Open(fds[i]); err != nil {
				return nil, err
			}
		}
	}
	if board == nil || p.log == nil {
		return nil, fmt.Errorf("no scoreboard or no error log came with the orders")
	}
	board.Slot(m.Worker.Slot).Init(os.Getpid(), m.Worker.Generation)
	errlog.LastWords(p.logFDs[workerctl.FDErrorLog])
	p.access = access.New(p.log)
	if accessLog >= 0 {
		p.access.OpenFile(m.Settings.AccessLogFormat, accessLog)
	}
	if err := p.access.OpenRoute(&m.Settings); err != nil {
		return nil, err
	}
	if p.meter != nil {
		w := p.meter.Writer(0)
		p.access.CountLossesBy(func(n uint64) { w.Count(metrics.LinesLost, n) })
	}
	return board, nil
}

// config is all that the server is made from but the scoreboard.
func (p *process) config(m *workerctl.Serve, t *cpython.Thread) (*server.Config, error) {
	script, _ := t.Getenv("SCRIPT_NAME") // as the application has left it
	rules, err := newRules(&m.Settings, script)
	if err != nil {
		return nil, err
	}
	mode, allowed, err := proxyRules(&m.Settings)
	if err != nil {
		return nil, err
	}
	p.caller = caller.New(rules)
	files, notice := spool.New(spool.Dirs(m.Settings.TmpUploadDir, t.Getenv))
	c := &server.Config{
		Settings: newSettings(&m.Settings), Worker: m.Worker, Policy: newPolicy(&m.Settings),
		Log: p.log, Access: p.access, Meter: p.meter, Files: files, Notice: notice,
		Caller: server.Caller{
			Listen:    func(d workerctl.Listener) (call.Listener, error) { return p.caller.Listen(d, t.NewBase) },
			Describer: func() server.Describer { return p.caller.Description() },
			Trusts:    rules.Trusts, MarkLine: rules.Mark, Proxy: mode, MayProxy: allowed.Contains,
		},
		Process: server.Process{
			Control: p.ctl.FD(), ReadOrders: func() { p.ctl.ReadOrders(p) }, Tell: p.tell, Own: p.own,
			Wakeup: cpython.WakeupFD(), Word: cpython.WorkerWord(), Idle: new(idleMemory),
			Outbox: cpython.NewOutbox,
			Probe:  cpython.ProbeGIL, Stacks: cpython.Stacks, Ident: cpython.ThreadIdent,
		},
	}
	if m.Settings.Greenlets() {
		c.Hub = p.caller.Hub(t)
	}
	return c, nil
}

// takeSockets gives the server the other descriptors of Serve.
func (p *process) takeSockets(m *workerctl.Serve, fds []int) error {
	next := 0
	for i, name := range m.FDs {
		switch name {
		case workerctl.FDScoreboard, workerctl.FDErrorLog, workerctl.FDAccessLog, workerctl.FDMetrics, workerctl.FDTLS, workerctl.FDChallenges:
		case workerctl.FDListener:
			if next == len(m.Listeners) {
				return fmt.Errorf("more listening sockets than descriptions")
			}
			if err := p.Listen(fds[i], m.Listeners[next]); err != nil {
				return err
			}
			next++
		default:
			if err := p.Exchange(name, fds[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
