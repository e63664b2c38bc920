package server

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/ipc/workerctl"
)

// order sends the worker a message and waits until it says that it drains.
func (s *server) drainBy(m workerctl.Message) {
	s.t.Helper()
	if m != nil {
		if err := s.master.Send(m); err != nil {
			s.t.Fatal(err)
		}
	}
	for {
		typ, _, _, err := s.master.Recv()
		if err != nil {
			s.t.Fatal(err)
		}
		if typ == "WorkerDraining" {
			return
		}
	}
}

func TestDrainAnswersOnceMoreWithClose(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	c := s.dial()
	c.send(get("/1"))
	wantAnswer(c, "GET /1 ")
	half := s.dial()
	half.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
	half.send("")
	c.send(get("/2")) // makes sure that half's head has been seen
	wantAnswer(c, "GET /2 ")

	s.drainBy(workerctl.Drain{GracefulTimeout: 30})
	for _, x := range []*client{c, half} {
		if x == half {
			x.send("b")
		} else {
			x.send(get("/3"))
		}
		if got := x.head(); !strings.Contains(got, "Connection: close\r\n") {
			t.Errorf("got %q", got)
		}
		x.rest()
	}
	s.wait()
}

func TestFinalDrainServesTheQueue(t *testing.T) {
	entered, free := make(chan bool), make(chan bool)
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		if r.path == "/first" {
			entered <- true
			<-free
		}
		return hello(r)
	})
	first := s.dial()
	first.send(get("/first"))
	<-entered
	var queued []*client
	for range 20 {
		c := s.dial()
		c.send(get("/queued"))
		queued = append(queued, c)
	}
	if err := s.master.Send(workerctl.Drain{GracefulTimeout: 30, Final: true}); err != nil {
		t.Fatal(err)
	}
	close(free)
	for _, c := range append(queued, first) {
		c.head()
	}
	first.Close()
	for _, c := range queued {
		c.Close()
	}
	s.wait()
}

// A worker that leaves its queue to the others gets to know that there are none.
func TestFinalDrainDuringAnotherServesTheQueue(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	kept := s.dial()
	kept.send(get("/"))
	wantAnswer(kept, "GET / ")
	if err := s.master.Send(workerctl.Drain{GracefulTimeout: 30}); err != nil {
		t.Fatal(err)
	}
	for typ := ""; typ != "WorkerDraining"; {
		var err error
		if typ, _, _, err = s.master.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	queued := s.dial()
	queued.send(get("/queued"))
	if err := s.master.Send(workerctl.Drain{GracefulTimeout: 30, Final: true}); err != nil {
		t.Fatal(err)
	}
	if got := queued.head(); !strings.Contains(got, "200 OK") {
		t.Errorf("got %q", got)
	}
	queued.Close()
	kept.Close()
	s.wait()
}

// Who wants one request a process wants no second one.
func TestMaxRequestsOfOneLeavesAtOnce(t *testing.T) {
	s := newFake(t, testSettings(), hello)
	s.worker.Word.MaxRequests.Store(1)
	s.begin()
	c := s.dial()
	c.send(get("/"))
	if h := c.head(); !strings.Contains(h, "Connection: close") {
		t.Errorf("got %q", h)
	}
	c.rest()
	s.wait()
}

// Idle connections outlive the order to drain, so that their next request is
// answered; before the worker's time is up they end softly, and it leaves.
func TestIdleConnectionsEndBeforeADrainIsCut(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	asks, sleeps := s.dial(), s.dial()
	for _, c := range []*client{asks, sleeps} {
		c.send(get("/"))
		wantAnswer(c, "GET / ")
	}
	s.drainBy(workerctl.Drain{GracefulTimeout: 2})
	asks.send(get("/again"))
	if h := asks.head(); !strings.Contains(h, "Connection: close") {
		t.Errorf("got %q", h)
	}
	asks.Close()
	if got := sleeps.rest(); got != "" { // an end of file; a reset would be an error
		t.Errorf("got %q", got)
	}
	sleeps.Close()
	s.wait()
}

// While a request runs the worker is there anyway, and idle connections may be
// used again; after it they have no more than their last time.
func TestIdleConnectionsOfADrainGoWithTheLastRequest(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		app, set := newSticky(), testSettings()
		defer app.release()
		set.Parting.LastIdle, set.Parting.LastLinger = time.Millisecond, time.Millisecond
		s := serveFake(t, set, app.handle)
		silent, kept := s.dial(), s.dial()
		kept.send(get("/"))
		wantAnswer(kept, "GET / ")
		running := app.occupy(s)
		s.drainBy(workerctl.Drain{GracefulTimeout: 60})
		time.Sleep(50 * time.Millisecond) // what must not happen has no event
		kept.send(get("/again"))
		if h := kept.head(); !strings.Contains(h, "Connection: close") {
			t.Errorf("got %q", h)
		}
		app.release()
		wantAnswer(running, "GET /stuck ")
		silent.gone()
		s.wait()
	})
}

func TestIdleConnectionsEndWithTheirTime(t *testing.T) {
	set := testSettings()
	set.Idle = 50 * time.Millisecond
	s := serveFake(t, set, hello)
	c := s.dial()
	c.send(get("/"))
	wantAnswer(c, "GET / ")
	c.gone()
}

func TestKeepAliveZeroClosesAlways(t *testing.T) {
	set := testSettings()
	set.Idle, set.KeepAlive = 0, false
	s := serveFake(t, set, hello)
	c := s.dial()
	c.send(get("/"))
	if got := c.head(); !strings.Contains(got, "Connection: close\r\n") {
		t.Errorf("got %q", got)
	}
	c.rest()
}

// early makes c a client that has sent text before the worker begins: however
// slow the test is, all of it is there when the connection is accepted.
func early(t *testing.T, c **client, text string) func(*workerctl.Serve, *[]int) {
	return func(m *workerctl.Serve, _ *[]int) {
		*c = connect(t, fmt.Sprintf("127.0.0.1:%d", m.Listeners[0].Port))
		(*c).send(text)
	}
}

func TestSlowClientsRunOutOfTime(t *testing.T) {
	for name, x := range map[string]struct{ sent, want string }{
		"nothing":   {"", ""},
		"half head": {"GET / HTTP/1.1\r\nHost:", "HTTP/1.1 408 "},
		"half body": {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", "HTTP/1.1 408 "},
	} {
		t.Run(name, func(t *testing.T) {
			set := testSettings()
			set.Header, set.Body = 50*time.Millisecond, 50*time.Millisecond
			var c *client
			s := serveFake(t, set, hello, early(t, &c, x.sent))
			if got := c.rest(); !strings.HasPrefix(got, x.want) || x.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, x.want)
			}
			if s.app.calls.Load() != 0 {
				t.Error("the application was called")
			}
		})
	}
}

func TestClientThatTakesNothingIsCutOff(t *testing.T) {
	set := testSettings()
	set.Write = 100 * time.Millisecond
	closed := make(chan struct{})
	s := serveFake(t, set, func(r *fakeRequest) fakeReply {
		return fakeReply{status: "200 OK", closed: func() { close(closed) }, next: func(i int) ([]byte, bool) { return make([]byte, 60000), true }}
	})
	c := s.dial()
	c.send(get("/"))
	<-closed
}

// A worker that has served max_requests serves on until it has a successor.
func TestMaxRequestsRecyclesTheWorker(t *testing.T) {
	s := newFake(t, testSettings(), hello)
	s.worker.Word.MaxRequests.Store(3)
	s.begin()
	c := s.dial()
	ask := func() string {
		c.send(get("/"))
		h := c.head()
		c.body(6)
		return h
	}
	for i := range 5 {
		if h := ask(); strings.Contains(h, "Connection: close") {
			t.Errorf("request %d: %q", i, h)
		}
	}
	for _, want := range []string{"WorkerReady", "WorkerWantsSuccessor"} {
		if typ, _, _, err := s.master.Recv(); typ != want || err != nil {
			t.Fatalf("said %s, %v; want %s", typ, err, want)
		}
	}
	s.drainBy(workerctl.Drain{GracefulTimeout: 30})
	if h := ask(); !strings.Contains(h, "Connection: close") {
		t.Errorf("after the order: %q", h)
	}
	c.gone()
	s.wait()
	if !strings.Contains(s.logged(), "[INFO] Autorestarting worker after current request.") {
		t.Errorf("log: %q", s.logged())
	}
}

func TestMasterGoneEndsTheWorker(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	c := s.dial()
	c.send(get("/"))
	wantAnswer(c, "GET / ")
	s.master.Shutdown()
	c.Close()
	s.wait()
}

func TestIdlestConnectionMakesRoom(t *testing.T) {
	set := testSettings()
	set.MaxConns = 3
	s := serveFake(t, set, hello)
	var all []*client
	for range 4 {
		c := s.dial()
		c.send(get("/"))
		wantAnswer(c, "GET / ")
		all = append(all, c)
	}
	all[0].gone()
	all[1].send(get("/"))
	wantAnswer(all[1], "GET / ")
}

func TestAccessLogLines(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "access")
	if err != nil {
		t.Fatal(err)
	}
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		if r.path == "/stream" {
			return fakeReply{status: "201 Made", next: func(i int) ([]byte, bool) { return []byte("abc"), i <= 2 }}
		}
		return fakeReply{status: "200 OK", headers: []string{"X-Out: o"}, body: []byte("body")}
	}, func(m *workerctl.Serve, fds *[]int) {
		m.Settings.AccessLogFormat = `%(h)s "%(r)s" %(U)s %(q)s %(s)s %(B)s %({x-in}i)s %({x-out}o)s %({http_x_in}e)s %({wsgi.url_scheme}e)s`
		m.FDs = append(m.FDs, workerctl.FDAccessLog)
		fd, err := unix.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		*fds = append(*fds, fd)
	})
	c := s.dial()
	c.send("GET /a%20b?q HTTP/1.1\r\nHost: a\r\nX-In: i\r\n\r\n")
	c.head()
	c.body(4)
	c.send(get("/stream") + "HEAD /c HTTP/1.1\r\nHost: a\r\n\r\nbad\r\n\r\n")
	c.rest()
	s.stop()
	s.access.Close()
	got, _ := os.ReadFile(f.Name())
	want := `127.0.0.1 "GET /a%20b?q HTTP/1.1" /a b q 200 4 i o i http
127.0.0.1 "GET /stream HTTP/1.1" /stream  201 6 - - - http
127.0.0.1 "HEAD /c HTTP/1.1" /c  200 0 - o - http
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestQuitSignalEndsAtOnce(t *testing.T) {
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		r.app.signals.Store(uint32(call.QuitRequested))
		signals(r.app.w.threads[0])
		return hello(r)
	})
	c := s.dial()
	c.send(get("/"))
	s.wait()
}

// quickHello makes s answer each request with hello, without an allocation of the test's own, and gives
// what asks for it once on a connection that is kept.
func quickHello(t testing.TB, s *server) func() {
	reply := fakeReply{status: "200 OK", headers: []string{"Content-Type: text/plain"}, body: []byte("hello")}
	packed := s.app.pack(&reply)
	quick := func(out []byte, res *call.Result) call.State {
		*res = call.Result{FD: -1, Total: 5, HeadLen: uint32(copy(out, packed)), BodyLen: 5}
		res.BodyOff = res.HeadLen
		copy(out[res.BodyOff:], "hello")
		return call.Done
	}
	s.app.quick.Store(&quick)
	c := s.dial()
	request := []byte(get("/path?query"))
	answer := make([]byte, len(fmt.Sprintf(keptHead, 5))+len("Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n")+5)
	return func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(answer); {
			k, err := c.Read(answer)
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
	}
}

func TestServingAllocatesNothing(t *testing.T) {
	s := serveFake(t, testSettings(), nil)
	once := quickHello(t, s)
	once()
	// The Date of a new second and the runtime may take a few in all.
	if n := testing.AllocsPerRun(2000, once); n >= 0.1 {
		t.Errorf("%v allocations a request", n)
	}
}
