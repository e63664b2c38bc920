package server

import (
	"bufio"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gosrv/wsgi/access"
	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/http1/proxyproto"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/tlspolicy"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/spool"
)

// server is a worker under test.
type server struct {
	*eventLoop
	*Server
	t      testing.TB
	addr   string
	app    *fakeApp
	ctl    *workerctl.Conn
	master *workerctl.Conn
	ended  chan struct{}
	log    *os.File
}

// testThreads is the number of threads of the workers under test.
var testThreads = 1

// patience is when a test gives up what it waits for.
const patience = 2 * time.Minute

// testProbe stands for taking the GIL; nil: nobody looks.
var testProbe func()

// testSettings are Gunicorn's defaults with time-outs that no test waits for.
func testSettings() Settings {
	return Settings{
		Header: time.Minute, Body: time.Minute, Write: time.Minute, Idle: time.Minute, Graceful: time.Minute, Parting: Parting{time.Minute, time.Minute, time.Minute},
		KeepAlive: true, Threads: testThreads, MaxConns: 1000, MaxEngaged: math.MaxInt, Bodies: body.Limits{InBuffer: body.MostInBuffer, InBlocks: body.MostInBlocks, Memory: body.MostLent},
	}
}

// testPolicy is Gunicorn's default.
var testPolicy = http1.Policy{RequestLine: 4094, Fields: 100, FieldSize: 8190, HeadSize: http1.DefaultHeadSize}

// serveFake starts a worker on a loopback socket. adjust may change its orders.
func serveFake(t testing.TB, set Settings, handle func(*fakeRequest) fakeReply, adjust ...func(m *workerctl.Serve, fds *[]int)) *server {
	t.Helper()
	s := newFake(t, set, handle, adjust...)
	s.begin()
	return s
}

// newFake makes a worker that does not run yet.
func newFake(t testing.TB, set Settings, handle func(*fakeRequest) fakeReply, adjust ...func(m *workerctl.Serve, fds *[]int)) *server {
	t.Helper()
	s := &server{t: t, app: &fakeApp{handle: handle}, ended: make(chan struct{})}
	m, fds := s.orders()
	for _, a := range adjust {
		a(m, &fds)
	}
	master, end, err := workerctl.Pair()
	if err != nil {
		t.Fatal(err)
	}
	s.master, s.ctl = master, workerctl.NewConn(end)
	c := s.config(set, m, fds)
	if s.Server, err = New(c); err != nil {
		t.Fatal(err)
	}
	s.takeSockets(m, fds)
	s.eventLoop, s.app.w = s.l, s.l
	return s
}

// config is what the orders say.
func (s *server) config(set Settings, m *workerctl.Serve, fds []int) *Config {
	t := s.t
	t.Helper()
	c := &Config{
		Settings: set, Worker: m.Worker, Policy: testPolicy,
		Caller: Caller{
			Listen:    func(workerctl.Listener) (call.Listener, error) { return 0, nil },
			Describer: func() Describer { return new(fakeDescription) },
			Trusts:    func(netip.Addr) bool { return false },
			MarkLine:  func([]byte) uint32 { return 0 },
			Proxy:     map[string]proxyproto.Mode{"v1": proxyproto.V1, "v2": proxyproto.V2, "auto": proxyproto.Auto}[m.Settings.ProxyProtocol],
			MayProxy: func(peer netip.Addr) bool {
				return slices.Contains([]string{"*", peer.String()}, m.Settings.ProxyAllowIPs[0])
			},
		},
		Process: Process{
			Control: s.ctl.FD(), ReadOrders: func() { s.ctl.ReadOrders(s) }, Tell: func(m workerctl.Message) { _ = s.ctl.Send(m) },
			Own: func(int, bool) {}, Wakeup: -1, Word: new(call.Word), Idle: new(fakeIdle), Probe: testProbe,
			Outbox: func() (call.Outbox, bool) { return new(fakeOutbox), true },
			Ident:  func() uint64 { return 0 },
		},
	}
	c.Files, c.Notice = spool.New(spool.Dirs(t.TempDir(), os.LookupEnv))
	var err error
	for i, name := range m.FDs {
		switch name {
		case workerctl.FDScoreboard:
			if c.Board, err = scoreboard.Open(fds[i]); err != nil {
				t.Fatal(err)
			}
			c.Board.Slot(m.Worker.Slot).Init(os.Getpid(), m.Worker.Generation)
		case workerctl.FDTLS:
			if c.TLS, err = tlspolicy.Open(fds[i]); err != nil {
				t.Fatal(err)
			}
		case workerctl.FDErrorLog:
			c.Log = errlog.New(fds[i], m.Settings.LogLevel)
			c.Access = access.New(c.Log)
		case workerctl.FDAccessLog:
			c.Access.OpenFile(m.Settings.AccessLogFormat, fds[i])
		}
	}
	return c
}

// takeSockets gives the worker its own.
func (s *server) takeSockets(m *workerctl.Serve, fds []int) {
	s.t.Helper()
	next := 0
	for i, name := range m.FDs {
		var err error
		switch name {
		case workerctl.FDScoreboard, workerctl.FDErrorLog, workerctl.FDAccessLog, workerctl.FDTLS:
		case workerctl.FDListener:
			err = s.Listen(fds[i], m.Listeners[next])
			next++
		default:
			err = s.Exchange(name, fds[i])
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// Refork and ReopenLogs are the process's orders (workerctl.Orders).
func (s *server) Refork([]int) bool { return false }

func (s *server) Certificates(fds []int) bool { return false }

func (s *server) ReopenLogs(names []string, fds []int) bool {
	return len(names) == 1 && names[0] == workerctl.FDAccessLog && s.access.SetFile(fds[0])
}

// fakeIdle drops the pages of the start once.
type fakeIdle struct{ dropped bool }

func (f *fakeIdle) Begin(now int64) int64 { return now + int64(10*time.Millisecond) }

func (f *fakeIdle) Look(t Resting, now int64, dropped int, freed, swollen bool) int64 {
	if !f.dropped && t.MayEnter() {
		f.dropped = true
		t.DropPages()
	}
	return math.MaxInt64
}

// begin lets the worker run until the end of the test.
func (s *server) begin() {
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		if err := s.Run(s.app.door(0), s.startThreads); err != nil {
			s.t.Error(err)
		}
	}()
	s.t.Cleanup(func() {
		s.stop()
		s.allClosed()
		s.poll.Close()
		s.master.Close()
		s.ctl.Close()
	})
}

// orders makes the first message to the worker and its descriptors.
func (s *server) orders() (*workerctl.Serve, []int) {
	t := s.t
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	s.addr = ln.Addr().String()
	s.log, err = os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	board, fd, err := scoreboard.Create(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		s.log.Close()
		board.Close()
	})
	return &workerctl.Serve{
		Settings:  workerctl.Settings{LogLevel: "debug", ForwardedAllowIPs: workerctl.List{"127.0.0.1"}},
		Listeners: []workerctl.Listener{{Kind: "tcp", Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port}},
		FDs:       []string{workerctl.FDScoreboard, workerctl.FDErrorLog, workerctl.FDListener},
	}, []int{fd, int(s.log.Fd()), int(f.Fd())}
}

// allClosed waits until no call of the application lives: with threads, one may
// still be in its close() when the worker's loop has ended.
func (s *server) allClosed() {
	s.t.Helper()
	for end := time.Now().Add(patience); s.app.open() != 0; runtime.Gosched() {
		if time.Now().After(end) {
			s.t.Errorf("%d application calls were never closed", s.app.open())
			return
		}
	}
}

// startThreads makes threads as cpython does.
func (s *server) startThreads(n int) error {
	for i := range n {
		go func() {
			runtime.LockOSThread()
			s.Enlist(i+1, s.app.door(i+1))
		}()
	}
	return nil
}

// stop ends the worker.
func (s *server) stop() {
	_ = s.master.Send(workerctl.Quit{})
	s.wait()
}

// wait returns when the worker's loop has ended.
func (s *server) wait() {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatal("the worker does not end")
	}
}

// logged is the error log so far.
func (s *server) logged() string {
	b, err := os.ReadFile(s.log.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// client is one connection to a server.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (s *server) dial() *client {
	s.t.Helper()
	return connect(s.t, s.addr)
}

func connect(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &client{nc, t, bufio.NewReader(nc)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// head reads a response head and gives it without Date.
func (c *client) head() string {
	c.t.Helper()
	var b strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v", b.String(), err)
		}
		if strings.HasPrefix(line, "Date: ") {
			continue
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String()
		}
	}
}

// body reads n bytes.
func (c *client) body(n int) string {
	c.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// rest reads to the end of the connection.
func (c *client) rest() string {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if err != nil {
		c.t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

// gone asserts that nothing more comes but the end.
func (c *client) gone() {
	c.t.Helper()
	if rest := c.rest(); rest != "" {
		c.t.Errorf("unexpected %q", rest)
	}
}
