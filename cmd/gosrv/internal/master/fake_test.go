package master

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/logs"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/system"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// world is an operating system without processes: zygotes and workers are
// entries that answer as real ones do. Time stands still unless told.
type world struct {
	t        *testing.T
	m        *Master
	log      string // path
	clock    time.Time
	settings map[string]any
	hooks    map[string]int

	nextPID int
	zygotes []*fakeZygote
	workers []*fakeWorker
	peers   map[int]*fakeChannel
	dead    []death
	binds   int

	// What processes started from now on do.
	loadFails   *zygotectl.Failed       // answer to Configure
	zygoteHangs bool                    // zygotes answer nothing
	hookHangs   string                  // name of a hook that does not return
	bootFails   *workerctl.WorkerFailed // workers say this and exit
	bootHangs   bool                    // workers never become ready
	deaf        bool                    // workers ignore TERM, QUIT and ABRT
	hookFails   string                  // name of a hook that raises
	hookKeeps   string                  // name of a hook that leaves a thread behind
	execFails   bool
	relays      bool  // zygotes are given the master's lines
	seeds       bool  // zygotes leave seeds behind
	stale       bool  // seeds are not what a new interpreter would be
	stdlibKills bool  // a zygote dies of ImportStdlib
	asked       []int // for their stacks

	parent       int // what getppid says
	replaceFails error
	successors   []fakeSuccessor
	detached     []bool   // by the master: with its output kept?
	told         []string // to systemd, one datagram an entry
	gaveBack     int      // how often memory was given back
	status       status.Status
	oomKills     int // in the cgroup; negative: there is none to be read
}

// fakeSuccessor is a new master that USR2 has started.
type fakeSuccessor struct {
	pid     int
	sockets []int
	systemd bool
	ready   func()
}

type death struct {
	pid    int
	status unix.WaitStatus
}

// Wait statuses as the kernel encodes them.
func exited(code int) unix.WaitStatus          { return unix.WaitStatus(code << 8) }
func signaled(sig unix.Signal) unix.WaitStatus { return unix.WaitStatus(sig) }

type fakeChannel struct {
	sent   []workerctl.Message // by the master, not yet taken
	fds    [][]int
	inbox  []packet // for the master
	eof    bool
	closed bool
}

type packet struct {
	typ string
	raw []byte
}

func (c *fakeChannel) Send(msg workerctl.Message, fds ...int) error {
	if c.eof || c.closed {
		return unix.EPIPE
	}
	c.sent, c.fds = append(c.sent, msg), append(c.fds, fds)
	return nil
}

func (c *fakeChannel) TryRecv() (string, json.RawMessage, []int, error) {
	if len(c.inbox) > 0 {
		p := c.inbox[0]
		c.inbox = c.inbox[1:]
		return p.typ, p.raw, nil, nil
	}
	if c.eof {
		return "", nil, nil, io.EOF
	}
	return "", nil, nil, workerctl.ErrWouldBlock
}

func (c *fakeChannel) Close() error { c.closed = true; return nil }

// say puts a message into the master's inbox.
func (c *fakeChannel) say(msg workerctl.Message) {
	raw, err := json.Marshal(msg)
	if err != nil {
		panic(err) // a test's own message
	}
	c.inbox = append(c.inbox, packet{msg.Type(), raw})
}

func newWorld(t *testing.T, settings map[string]any) *world {
	t.Helper()
	w := &world{
		t: t, clock: time.Unix(1e9, 0), nextPID: 100, peers: map[int]*fakeChannel{}, hooks: map[string]int{},
		settings: map[string]any{
			"workers": 2, "worker_class": "sync", "timeout": 30, "graceful_timeout": 30, "loglevel": "debug",
			"errorlog": filepath.Join(t.TempDir(), "log"), "bind": []string{"127.0.0.1:0"}, "backlog": 8,
			"user": os.Geteuid(), "group": os.Getegid(), "no_share_stdlib": true,
		},
	}
	for name, value := range settings {
		w.settings[name] = value
	}
	w.log = w.settings["errorlog"].(string)
	w.m = newMaster(Options{Version: "V", Interpreter: "Python X", Argv: []string{"gosrv", "app"}, Resolve: func(zygotectl.ConfigLoaded) (*plan.Plan, error) {
		copied := map[string]any{}
		for name, value := range w.settings {
			copied[name] = value
		}
		return &plan.Plan{App: "app:app", Settings: copied, Hooks: w.hooks, Title: "app"}, nil
	}})
	// Lines before the log file is opened belong there too.
	f, err := logs.Open(w.log, 2)
	if err != nil {
		t.Fatal(err)
	}
	w.m.log.SetFD(f.FD())
	w.m.sys = system.System{
		Now: func() time.Time { return w.clock }, Monotonic: func() int64 { return w.clock.UnixNano() },
		Exec: w.exec, Pair: w.pair, CloseFD: func(fd int) { delete(w.peers, fd) },
		Kill: w.kill, HasStacks: func(int) bool { return true }, AskStacks: w.askStacks, Reap: w.reap, OOMKills: func() (int, string, bool) { return w.oomKills, "/app", w.oomKills >= 0 }, ParentPID: func() int { return w.parent }, Replace: w.replace,
		Detach:  func(keep bool) error { w.detached = append(w.detached, keep); return nil },
		Tell:    func(a ...string) error { w.told = append(w.told, strings.Join(a, "\n")); return nil },
		Publish: func(s status.Status) error { w.status = s; return nil }, GiveBack: func() { w.gaveBack++ },
		Bind: func(a []listen.Addr, o listen.Options, kept listen.Set, done func(listen.Set, error)) {
			w.binds++
			done(listen.OpenAll(a, o, kept, w.m.log, func(time.Duration) bool { return true }))
		},
	}
	t.Cleanup(func() {
		for _, g := range w.m.gens.All() {
			g.CloseSockets(nil)
			g.Close()
		}
		w.m.shared.Close()
		f.Close()
	})
	return w
}

func (w *world) exec() (int, zygotectl.Channel, error) {
	if w.execFails {
		return 0, nil, fmt.Errorf("starting the zygote: %w", unix.ENOMEM)
	}
	w.nextPID++
	z := &fakeZygote{pid: w.nextPID, ch: &fakeChannel{}}
	w.zygotes = append(w.zygotes, z)
	return z.pid, z.ch, nil
}

func (w *world) replace(sockets []int, systemd bool, ready func()) (int, error) {
	if w.replaceFails != nil {
		return 0, w.replaceFails
	}
	w.nextPID++
	w.successors = append(w.successors, fakeSuccessor{w.nextPID, sockets, systemd, ready})
	return w.nextPID, nil
}

func (w *world) pair() (zygotectl.Channel, int, error) {
	w.nextPID++
	ch := &fakeChannel{}
	w.peers[w.nextPID] = ch
	return ch, w.nextPID, nil
}

func (w *world) reap() (int, unix.WaitStatus, bool) {
	if len(w.dead) == 0 {
		return 0, 0, false
	}
	d := w.dead[0]
	w.dead = w.dead[1:]
	return d.pid, d.status, true
}

func (w *world) kill(pid int, sig unix.Signal) error {
	for _, z := range w.zygotes {
		if z.pid == pid && !z.dead && sig == unix.SIGKILL {
			w.endZygote(z, signaled(sig))
		}
	}
	for _, k := range w.workers {
		if k.pid != pid || k.dead {
			continue
		}
		for _, order := range k.ch.sent {
			if order.Type() == "Quit" && sig == unix.SIGQUIT {
				w.t.Error("a worker that reads Quit may end before the signal for its hook comes")
			}
		}
		k.got = append(k.got, unix.SignalName(sig))
		switch {
		case sig == unix.SIGKILL:
			w.end(k, signaled(sig))
		case k.deaf:
		case sig == unix.SIGTERM, sig == unix.SIGQUIT:
			w.end(k, exited(0))
		case sig == unix.SIGABRT:
			w.end(k, exited(1))
		}
	}
	return nil
}

// run0 lets zygotes obey their first order only.
func (w *world) run0() {
	w.t.Helper()
	w.react()
	w.m.readAll()
}

// run lets everything happen that needs no time to pass.
func (w *world) run() {
	w.t.Helper()
	for range 1000 {
		busy := w.react()
		w.m.readAll()
		deaths := len(w.dead)
		w.m.reapAll()
		if w.m.finished {
			return
		}
		w.m.step()
		w.m.announce.publish()
		if !busy && deaths == 0 && !w.pending() {
			w.m.pause() // what Run sleeps then
			return
		}
	}
	w.t.Fatalf("never comes to rest; log:\n%s", w.text())
}

func (w *world) pending() bool {
	if len(w.dead) > 0 {
		return true
	}
	for _, z := range w.zygotes {
		if !z.dead && !z.hangs && !w.zygoteHangs && len(z.ch.sent) > 0 || len(z.ch.inbox) > 0 && !z.ch.closed {
			return true
		}
	}
	for _, k := range w.workers {
		if !k.dead && len(k.ch.sent) > 0 || len(k.ch.inbox) > 0 && !k.ch.closed {
			return true
		}
	}
	return false
}

// pass lets time go by in steps, running the world at each.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	const step = 100 * time.Millisecond
	for ; d > 0; d -= step {
		w.clock = w.clock.Add(min(step, d))
		w.run()
		if w.m.finished {
			return
		}
	}
}

// serve starts the master and its workers, and lets them serve for a while.
func (w *world) serve() {
	w.t.Helper()
	w.m.begin()
	w.run()
	w.pass(2 * time.Second)
	if w.m.phase != serving {
		w.t.Fatalf("does not serve; log:\n%s", w.text())
	}
}

func (w *world) signal(sig unix.Signal) {
	w.t.Helper()
	w.m.signal(sig)
	w.run()
}

func (w *world) text() string {
	b, err := os.ReadFile(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

var stamp = regexp.MustCompile(`(?m)^\[[^]]*\] \[\d+\] `)

// lines gives the log without times and pids, DEBUG left out.
func (w *world) lines() string {
	var kept []string
	for line := range strings.SplitSeq(strings.TrimSpace(stamp.ReplaceAllString(w.text(), "")), "\n") {
		if !strings.HasPrefix(line, "[DEBUG]") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func (w *world) wantLog(pieces ...string) {
	w.t.Helper()
	for _, p := range pieces {
		if !strings.Contains(w.lines(), p) {
			w.t.Errorf("%q is not in the log:\n%s", p, w.lines())
		}
	}
}

func (w *world) wantAlive(n int) {
	w.t.Helper()
	if got := len(w.alive()); got != n {
		w.t.Errorf("%d workers live, want %d; log:\n%s", got, n, w.lines())
	}
}
