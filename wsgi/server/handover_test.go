package server

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
)

// market is what the workers of one server share.
type market struct {
	t      *testing.T
	board  *scoreboard.Board
	claims *scoreboard.Claims
	fds    [4]int // scoreboard, exchange-in, exchange-out, claims
	set    Settings
	named  []workerctl.Listener // of the first worker; all go by its name
	next   int
}

func newMarket(t *testing.T) *market {
	m := &market{t: t, set: testSettings()}
	var err error
	if m.board, m.fds[0], err = scoreboard.Create(4); err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.fds[1], m.fds[2] = pair[0], pair[1]
	if m.fds[3], err = scoreboard.CreateClaims(4); err == nil {
		m.claims, err = scoreboard.OpenClaims(m.fds[3])
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range m.fds {
			unix.Close(fd)
		}
	})
	return m
}

// worker starts one with a socket of its own.
func (m *market) worker(handle func(*fakeRequest) fakeReply, adjust ...func(*workerctl.Serve, *[]int)) *server {
	m.t.Helper()
	s := serveFake(m.t, m.set, handle, append(adjust, func(o *workerctl.Serve, fds *[]int) {
		if m.named == nil {
			m.named = o.Listeners
		}
		o.Listeners, o.Worker.Slot = m.named, m.next
		o.Settings.ProxyProtocol, o.Settings.ProxyAllowIPs = "auto", workerctl.List{"*"}
		m.next++
		claims, err := unix.Dup(m.fds[3])
		if err != nil {
			m.t.Fatal(err)
		}
		(*fds)[0] = m.fds[0]
		*fds = append(*fds, m.fds[1], m.fds[2], claims)
		o.FDs = append(o.FDs, workerctl.FDExchangeIn, workerctl.FDExchangeOut, workerctl.FDClaims)
	})...)
	waitFor(m.t, func() bool { return m.board.Snapshot(s.id.Slot).State == scoreboard.Idle })
	return s
}

func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never happens")
		}
	}
}

// sticky is an application whose /stuck waits until it is freed.
type sticky struct {
	stuck atomic.Int32
	free  chan struct{}
}

func newSticky() *sticky { return &sticky{free: make(chan struct{})} }

func (a *sticky) release() {
	select {
	case <-a.free:
	default:
		close(a.free)
	}
}

func (a *sticky) handle(r *fakeRequest) fakeReply {
	if r.path == "/stuck" {
		a.stuck.Add(1)
		<-a.free
	}
	return hello(r)
}

// served gives an application that counts what it serves, but for /first: a
// worker that is held up in that one may give the next away.
func served(n *atomic.Int64) func(*fakeRequest) fakeReply {
	return func(r *fakeRequest) fakeReply {
		if r.path != "/first" {
			n.Add(1)
		}
		return hello(r)
	}
}

// occupy gets the worker stuck.
func (a *sticky) occupy(s *server) *client {
	c := s.dial()
	a.occupyBy(s, c)
	return c
}

// occupyBy does it with a request of that client.
func (a *sticky) occupyBy(s *server, c *client) {
	before := a.stuck.Load()
	c.send(get("/stuck"))
	waitFor(s.t, func() bool { return a.stuck.Load() > before })
}

func TestIdleWorkerServesWhatABusyOneOwns(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	var count atomic.Int64
	a := m.worker(app.handle)
	m.worker(served(&count))
	var clients []*client
	for range 20 {
		c := a.dial()
		c.send(get("/first"))
		wantAnswer(c, "GET /first ")
		clients = append(clients, c)
	}
	stuck := app.occupy(a)
	for i, c := range clients {
		c.send(get("/second"))
		wantAnswer(c, "GET /second ")
		c.send(get(fmt.Sprint("/", i)))
		wantAnswer(c, fmt.Sprintf("GET /%d ", i))
	}
	if n := count.Load(); n != 40 {
		t.Errorf("the idle worker served %d of 40 requests", n)
	}
	app.release()
	wantAnswer(stuck, "GET /stuck ")
	stuck.send(get("/after"))
	wantAnswer(stuck, "GET /after ")
	waitFor(t, func() bool { return m.board.Snapshot(0).Connections == 1 && m.board.Snapshot(1).Connections == 20 })
}

func TestEverythingReadTravelsAlong(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	var remote atomic.Pointer[string]
	var proxy atomic.Pointer[[3]string]
	a, b := m.worker(app.handle), m.worker(func(r *fakeRequest) fakeReply {
		remote.Store(&r.remote)
		proxy.Store(&r.proxy)
		return hello(r)
	})
	var clients []*client
	for i := range 5 { // the accept queue is not what is tested here
		clients = append(clients, a.dial())
		waitFor(t, func() bool { return m.board.Snapshot(0).Connections == i+1 })
	}
	app.occupy(a)
	long := strings.Repeat("x", 30000)
	for i, request := range []string{
		get("/a") + get("/b"),
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get("/b"),
		"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n" + get("/b"),
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n" + long + get("/b"),
	} {
		c := clients[i]
		for i := 0; i < len(request); i += 3000 { // head and body come in pieces
			c.send(request[i:min(i+3000, len(request))])
		}
		want := [...]string{"GET /a ", "POST /a hello", "POST /a hello", "POST /a " + long}[i]
		wantAnswer(c, want)
		wantAnswer(c, "GET /b ")
		if got, want := *remote.Load(), strings.Replace(c.LocalAddr().String(), ":", " ", 1); got != want {
			t.Errorf("the client is %q, want %q", got, want)
		}
	}
	c := clients[4]
	c.send("PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n" + get("/p"))
	wantAnswer(c, "GET /p ")
	if *remote.Load() != "192.0.2.1 1000" || proxy.Load()[0] != "TCP4" {
		t.Errorf("behind a proxy: client %q, %q", *remote.Load(), *proxy.Load())
	}
	if n := b.app.calls.Load(); n != 9 {
		t.Errorf("the idle worker served %d of 9 requests", n)
	}
}

func TestWhatNobodyTakesIsServedInTheOrderOfArrival(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	var mu sync.Mutex
	var order []string
	a := m.worker(func(r *fakeRequest) fakeReply {
		mu.Lock()
		order = append(order, r.path)
		mu.Unlock()
		return app.handle(r)
	})
	var clients []*client
	for range 5 {
		c := a.dial()
		c.send(get("/first"))
		wantAnswer(c, "GET /first ")
		clients = append(clients, c)
	}
	mu.Lock()
	order = nil
	mu.Unlock()
	stuck := app.occupy(a)
	for i := range 5 {
		clients[i].send(get(fmt.Sprint("/", i)))
		time.Sleep(2 * time.Millisecond) // so that there is an order
	}
	app.release()
	wantAnswer(stuck, "GET /stuck ")
	for i := range 5 {
		wantAnswer(clients[i], fmt.Sprintf("GET /%d ", i))
	}
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(order); got != "[/stuck /0 /1 /2 /3 /4]" {
		t.Errorf("served %s", got)
	}
}

func TestLargeBodyStays(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	m.set.Bodies.InBuffer, m.set.Bodies.InBlocks = 100<<10, 0
	var count atomic.Int64
	a, b := m.worker(app.handle), m.worker(served(&count))
	var clients []*client
	for range 2 {
		c := a.dial()
		c.send(get("/first"))
		wantAnswer(c, "GET /first ")
		clients = append(clients, c)
	}
	app.occupy(a)
	for i, n := range []int{80 << 10, 200 << 10} {
		clients[i].send(fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", i, n, strings.Repeat("x", n)))
	}
	c := b.dial()
	for range 5 {
		c.send(get("/"))
		wantAnswer(c, "GET / ")
	}
	time.AfterFunc(20*time.Millisecond, app.release)
	for i, n := range []int{80 << 10, 200 << 10} {
		wantAnswer(clients[i], fmt.Sprintf("POST /%d %s", i, strings.Repeat("x", n)))
	}
	if n := count.Load(); n != 5 {
		t.Errorf("the other worker served %d requests, want its own 5", n)
	}
}

func TestDrainingWorkerTakesNothing(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	var count atomic.Int64
	a, b := m.worker(app.handle), m.worker(served(&count))
	own := b.dial()
	own.send(get("/own"))
	wantAnswer(own, "GET /own ")
	c := a.dial()
	c.send(get("/first"))
	wantAnswer(c, "GET /first ")
	app.occupy(a)
	_ = b.master.Send(workerctl.Drain{GracefulTimeout: 30})
	waitFor(t, func() bool { return m.board.Snapshot(1).State == scoreboard.Draining })
	c.send(get("/second"))
	time.AfterFunc(20*time.Millisecond, app.release)
	wantAnswer(c, "GET /second ")
	if n := count.Load(); n != 1 {
		t.Errorf("the draining worker served %d requests", n)
	}
	own.Close()
	b.wait()
}

// Slow readers and slow writers of a busy worker live on, and a request that
// comes too late is refused although the main thread is away.
func TestReliefKeepsTime(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	m.set.Header = 30 * time.Millisecond
	var reader, late, stuck *client
	a := m.worker(func(r *fakeRequest) fakeReply {
		if r.path == "/stream" {
			return fakeReply{status: "200 OK", headers: []string{"Content-Length: 30000000"}, next: func(i int) ([]byte, bool) {
				return make([]byte, 50000), i <= 600
			}}
		}
		return app.handle(r)
	}, early(t, &reader, get("/stream")), early(t, &stuck, get("/first")), early(t, &late, "GET / HTTP/1.1\r\nHo"))
	reader.head()
	wantAnswer(stuck, "GET /first ")
	app.occupyBy(a, stuck)
	if got := late.head(); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("late: %q", got)
	}
	reader.body(40000) // of the first piece: how many left before the call is anybody's guess
	app.release()
	wantAnswer(stuck, "GET /stuck ")
	reader.body(29960000)
	reader.send(get("/after"))
	wantAnswer(reader, "GET /after ")
}

// Requests of every kind on many connections of workers that get stuck all the
// time: each is answered once, with its own answer.
func TestManyConnectionsOfManyBusyWorkers(t *testing.T) {
	m := newMarket(t)
	handle := func(r *fakeRequest) fakeReply {
		switch r.path {
		case "/slow":
			time.Sleep(8 * time.Millisecond)
		case "/stream":
			return fakeReply{status: "200 OK", headers: []string{"Content-Length: 3000000"}, next: func(i int) ([]byte, bool) {
				return make([]byte, 50000), i <= 60
			}}
		}
		return hello(r)
	}
	workers := []*server{m.worker(handle), m.worker(handle), m.worker(handle)}
	var wg sync.WaitGroup
	for n := range 24 {
		c := workers[n%3].dial()
		wg.Go(func() {
			for i := range 30 {
				switch (n + i) % 8 {
				case 0:
					c.send(get("/slow"))
					wantAnswer(c, "GET /slow ")
				case 1:
					c.send(get("/stream"))
					c.head()
					c.body(3000000)
				case 2:
					c.send(get(fmt.Sprint("/", n)) + get(fmt.Sprint("/p", i)))
					wantAnswer(c, fmt.Sprintf("GET /%d ", n))
					wantAnswer(c, fmt.Sprintf("GET /p%d ", i))
				default:
					c.send(fmt.Sprintf("POST /%d-%d HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo", n, i))
					c.send("dy")
					wantAnswer(c, fmt.Sprintf("POST /%d-%d body", n, i))
				}
			}
		})
	}
	wg.Wait()
}
