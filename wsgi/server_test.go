package wsgi

import (
	"bufio"
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"gosrv/wsgi/body"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/spool"
)

// server is a worker under test.
type server struct {
	*eventLoop
	t      *testing.T
	addr   string
	app    *fakeApp
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
func testSettings() settings {
	return settings{
		header: time.Minute, body: time.Minute, write: time.Minute, idle: time.Minute, graceful: time.Minute, parting: parting{time.Minute, time.Minute, time.Minute},
		keepAlive: true, threads: testThreads, maxConns: 1000, maxEngaged: math.MaxInt, bodies: body.Limits{InBuffer: body.MostInBuffer, InBlocks: body.MostInBlocks, Memory: body.MostLent},
	}
}

func gunicornSettings() workerctl.Settings {
	return workerctl.Settings{LimitRequestLine: 4094, LimitRequestFields: 100, LimitRequestFieldSize: 8190, LogLevel: "debug", ForwardedAllowIPs: workerctl.List{"127.0.0.1"}}
}

// serveFake starts a worker on a loopback socket. adjust may change its orders.
func serveFake(t *testing.T, set settings, handle func(*fakeRequest) fakeReply, adjust ...func(m *workerctl.Serve, fds *[]int)) *server {
	t.Helper()
	s := newFake(t, set, handle, adjust...)
	s.begin()
	return s
}

// newFake makes a worker that does not run yet.
func newFake(t *testing.T, set settings, handle func(*fakeRequest) fakeReply, adjust ...func(m *workerctl.Serve, fds *[]int)) *server {
	t.Helper()
	s := &server{t: t, app: &fakeApp{handle: handle}, ended: make(chan struct{})}
	m, fds := s.orders()
	for _, a := range adjust {
		a(m, &fds)
	}
	w, err := newWorker(set, m)
	if err != nil {
		t.Fatal(err)
	}
	w.mem.Files, w.notice = spool.New(spool.Dirs(set.tmpDir, os.LookupEnv))
	if err := takeFDs(w, m, fds); err != nil {
		t.Fatal(err)
	}
	master, end, err := workerctl.Pair()
	if err != nil {
		t.Fatal(err)
	}
	w.ctl = workerctl.NewConn(end)
	w.probe = testProbe
	s.eventLoop, s.master, s.app.w = w, master, w
	return s
}

// begin lets the worker run until the end of the test.
func (s *server) begin() {
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		if err := run(s.eventLoop, s.app, s.startThreads); err != nil {
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
		Settings:  gunicornSettings(),
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
			enlist(s.worker, i+1, fakeThread{s.app, i + 1})
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
	t *testing.T
	r *bufio.Reader
}

func (s *server) dial() *client {
	s.t.Helper()
	return connect(s.t, s.addr)
}

func connect(t *testing.T, addr string) *client {
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
