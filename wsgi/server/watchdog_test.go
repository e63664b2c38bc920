package server

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosrv/wsgi/call"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/watchdog"
)

// timedSettings limit a request of class sync.
func timedSettings(limit time.Duration) Settings {
	set := testSettings()
	set.Timeout, set.Sync = limit, true
	return set
}

// said waits until the worker has told its master something of that type.
func (s *server) said(want string) {
	s.t.Helper()
	defer time.AfterFunc(20*time.Second, s.master.Shutdown).Stop()
	for {
		typ, _, _, err := s.master.Recv()
		if err != nil {
			s.t.Fatalf("before %s: %v", want, err)
		}
		if typ == want {
			return
		}
	}
}

// The application comes back around the moment in which its time is over,
// 10,000 times: there is one answer, whole, whoever gives it.
func TestAnswerAtTheLimitIsGivenOnce(t *testing.T) {
	const limit = 300 * time.Microsecond
	rounds := 10_000
	if testing.Short() {
		rounds = 500
	}
	s := serveFake(t, timedSettings(limit), func(r *fakeRequest) fakeReply {
		for end := loop.Now() + rand.Int64N(int64(2*limit)); loop.Now() < end; {
			runtime.Gosched()
		}
		return fakeReply{status: "200 OK", body: []byte("hello")}
	})
	var mine, its int
	for i := range rounds {
		c := s.dial()
		c.send("GET /" + closing)
		got := c.rest()
		c.Close()
		if n := strings.Count(got, "HTTP/1.1 "); n != 1 {
			t.Fatalf("round %d: %d status lines: %q", i, n, got)
		}
		switch {
		case strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") && strings.HasSuffix(got, "\r\n\r\nhello"):
			mine++
		case strings.HasPrefix(got, "HTTP/1.1 504 Gateway Timeout\r\n") && strings.HasSuffix(got, "</html>\n"):
			its++
		default:
			t.Fatalf("round %d: %q", i, got)
		}
	}
	t.Logf("%d by the application, %d by the watchdog", mine, its)
}

// later makes the watchdog look as if much time had gone by.
func later(d *watchdog.Watchdog) { d.Look(loop.Now() + int64(time.Hour)) }

// stuckApp serves, but for /stuck, which shows its watchdog and waits for free.
type stuckApp struct {
	in   chan *watchdog.Watchdog
	free chan struct{}
}

func newStuckApp() *stuckApp {
	return &stuckApp{in: make(chan *watchdog.Watchdog), free: make(chan struct{})}
}

func (a *stuckApp) serve(r *fakeRequest) fakeReply {
	if r.path == "/stuck" {
		a.in <- r.app.w.watch
		<-a.free
	}
	return hello(r)
}

func TestLateRequestIsAnsweredLoggedAndTold(t *testing.T) {
	app := newStuckApp()
	path := filepath.Join(t.TempDir(), "access.log")
	s := serveFake(t, timedSettings(time.Minute), app.serve, logTo(t, path, "%(r)s %(s)s %(b)s"))
	c := s.dial()
	c.send(get("/stuck"))
	later(<-app.in)
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 504 ") || !strings.Contains(head, "Connection: close\r\n") {
		t.Errorf("answered %q", head)
	}
	s.said("WorkerTimedOut")
	want := fmt.Sprintf("GET /stuck from %s, running for 3600.", c.LocalAddr())
	if got := s.logged(); !strings.Contains(got, "[CRITICAL] WORKER TIMEOUT (pid:") || !strings.Contains(got, want) || !strings.Contains(got, "; answered 504\n") {
		t.Errorf("the log says %s", got)
	}
	close(app.free)
	if page := c.rest(); strings.Contains(page, "HTTP/1.1") || !strings.HasSuffix(page, "</html>\n") {
		t.Errorf("after the head of the 504: %q", page)
	}
	other := s.dial() // a call that comes back late does not end the loop
	other.send(get("/again"))
	wantAnswer(other, "GET /again ")
	lines := s.accessLines(path)
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "GET /stuck HTTP/1.1 504 ") {
		t.Errorf("the access log says %q", lines)
	}
}

func TestHeadIsAnswered504WithoutABody(t *testing.T) {
	app := newStuckApp()
	s := serveFake(t, timedSettings(time.Minute), app.serve)
	c := s.dial()
	c.send("HEAD /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
	later(<-app.in)
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 504 ") {
		t.Errorf("answered %q", head)
	}
	close(app.free)
	c.gone()
}

// What was begun is the application's: the watchdog adds nothing to it.
func TestBegunAnswerGetsNo504(t *testing.T) {
	app := newStuckApp()
	s := serveFake(t, timedSettings(time.Minute), func(r *fakeRequest) fakeReply {
		return fakeReply{status: "200 OK", headers: []string{"Content-Length: 6"}, next: func(i int) ([]byte, bool) {
			if i == 2 {
				app.serve(&fakeRequest{path: "/stuck", app: r.app})
			}
			return []byte("abc"), i <= 2
		}}
	})
	c := s.dial()
	c.send("GET /begun" + closing)
	c.head()
	c.body(3)
	later(<-app.in)
	s.said("WorkerTimedOut")
	if got := s.logged(); !strings.Contains(got, "GET /begun from ") || !strings.Contains(got, "; its answer had begun") {
		t.Errorf("the log says %s", got)
	}
	close(app.free)
	if got := c.rest(); got != "abc" {
		t.Errorf("the rest is %q", got)
	}
}

// Each piece of an answer has the whole time, and so has each part of a body
// that the application reads itself.
func TestTimeBeginsAgainWithProgress(t *testing.T) {
	set := timedSettings(time.Minute)
	set.StreamBody = true
	starts, inside := make(chan []int64, 1), make(chan struct{})
	s := serveFake(t, set, func(r *fakeRequest) fakeReply {
		deadline := &r.app.w.threads[0].Watched
		since := []int64{deadline.Since()}
		close(inside)
		if r.app.w.streams.Read(r.stream, make([]byte, 8)) != 1 {
			t.Error("no body")
		}
		since = append(since, deadline.Since())
		return fakeReply{status: "200 OK", next: func(i int) ([]byte, bool) {
			time.Sleep(5 * time.Millisecond)
			if since = append(since, deadline.Since()); i == 5 {
				starts <- since
			}
			return []byte("x"), i < 5
		}}
	})
	c := s.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\n")
	<-inside
	c.send("x")
	c.rest()
	got := <-starts
	if got[0] == 0 || got[1] <= got[0] || got[len(got)-1] <= got[1] {
		t.Errorf("the time began at %v", got)
	}
}

func TestLateCallCannotWrite(t *testing.T) {
	wrote := make(chan bool, 1)
	s := serveFake(t, timedSettings(time.Minute), func(r *fakeRequest) fakeReply {
		thread := r.app.w.threads[0]
		thread.hint(r.app.pack(&fakeReply{headers: []string{"Link: in-time"}}))
		later(thread.w.watch)
		thread.hint(r.app.pack(&fakeReply{headers: []string{"Link: late"}}))
		wrote <- thread.writes(call.Batch{}, r.app.pack(&fakeReply{status: "200 OK"}), []byte("late"))
		return fakeReply{}
	})
	c := s.dial()
	c.send("GET /" + closing)
	got := c.rest()
	if !strings.HasPrefix(got, "HTTP/1.1 103 ") || strings.Count(got, "HTTP/1.1 ") != 2 || strings.Contains(got, "late") || !strings.HasSuffix(got, "</html>\n") {
		t.Errorf("answered %q", got)
	}
	if <-wrote {
		t.Error("write() was told that its bytes were sent")
	}
}

// The others' requests are answered before the worker of a stuck thread ends.
func TestOtherRequestsOfACrewAreAnsweredFirst(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		app, slow, inside := newStuckApp(), make(chan struct{}), make(chan struct{})
		set := testSettings()
		set.Request = time.Minute
		s := serveFake(t, set, func(r *fakeRequest) fakeReply {
			if r.path == "/slow" {
				close(inside)
				<-slow
				return hello(r)
			}
			return app.serve(r)
		})
		c, other := s.dial(), s.dial()
		c.send(get("/stuck"))
		dog := <-app.in
		var stuck *watchdog.Thread
		for _, one := range s.threads[1:] {
			if one.Watched.Running() {
				stuck = &one.Watched
			}
		}
		other.send(get("/slow"))
		<-inside
		// Of the two only this one is late. The watchdog looks by itself, too: not
		// before both are there.
		stuck.Start(4, false)
		dog.Look(loop.Now())
		if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 504 ") {
			t.Errorf("answered %q", head)
		}
		s.said("WorkerDraining")
		close(slow)
		if head := other.head(); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
			t.Errorf("answered %q", head)
		}
		other.Close()
		s.said("WorkerTimedOut")
		_ = s.master.Send(workerctl.Quit{})
		s.wait()
		close(app.free)
	})
}

func TestGILThatNobodyCanTakeIsATimeout(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		free := make(chan struct{})
		var inside atomic.Int32
		testProbe = func() {
			if inside.Load() == 3 {
				<-free
			}
		}
		defer func() { testProbe = nil }()
		set := testSettings()
		set.Timeout = 100 * time.Millisecond // of which a thread's request knows nothing
		s := serveFake(t, set, func(r *fakeRequest) fakeReply {
			inside.Add(1)
			<-free
			return hello(r)
		})
		clients := []*client{s.dial(), s.dial(), s.dial()}
		for _, c := range clients {
			c.send(get("/"))
		}
		for _, c := range clients {
			if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 504 ") {
				t.Errorf("answered %q", head)
			}
		}
		s.said("WorkerTimedOut")
		if got := s.logged(); !strings.Contains(got, "nobody could take the GIL for 0.1s") || strings.Count(got, "answered 504") != 3 {
			t.Errorf("the log says %s", got)
		}
		close(free)
	})
}

// A signal makes the main thread wait for the GIL as well, and it may be found
// late first; what keeps the GIL is answered all the same.
func TestGILIsMissedByTheMainThreadToo(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		free := make(chan struct{})
		defer close(free)
		var stuck atomic.Bool
		testProbe = func() {
			if stuck.Load() {
				<-free
			}
		}
		defer func() { testProbe = nil }()
		set := testSettings()
		set.Timeout = 200 * time.Millisecond
		s := serveFake(t, set, func(r *fakeRequest) fakeReply {
			stuck.Store(true)
			r.app.w.threads[0].Watched.Start(loop.Now(), true)
			<-free
			return hello(r)
		})
		c := s.dial()
		c.send(get("/"))
		if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 504 ") {
			t.Errorf("answered %q", head)
		}
		s.said("WorkerTimedOut")
	})
}
