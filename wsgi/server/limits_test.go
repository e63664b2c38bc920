package server

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
)

func TestAnIdleConnectionStaysLongerThanItWasPromised(t *testing.T) {
	var e loop.Entry
	timers := newTimers(&Settings{Idle: 7 * time.Second, Overtime: time.Second})
	timers.Arm(&e, classIdle, 0)
	if got := time.Duration(timers.Next()); got != 8*time.Second {
		t.Errorf("closed after %v", got)
	}
}

func TestAnswersSayHowLongTheirConnectionIsKept(t *testing.T) {
	set := testSettings()
	set.Promise = 7
	s := serveFake(t, set, hello)
	for request, want := range map[string]string{
		get("/"): "Connection: keep-alive\r\nKeep-Alive: timeout=7\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n":       "Connection: keep-alive\r\nKeep-Alive: timeout=7\r\n",
		"GET / HTTP/1.0\r\n\r\n":                                 "Connection: close\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n": "Connection: close\r\n",
	} {
		c := s.dial()
		c.send(request)
		head := c.head()
		if !strings.Contains(head, "\r\n"+want) || strings.Contains(want, "close") && strings.Contains(head, "Keep-Alive") {
			t.Errorf("%q: got %q", request, head)
		}
	}
}

// The end of an idle connection is a FIN: what the client sends just then is
// read and dropped, not answered with a reset.
func TestIdleConnectionEndsSoftly(t *testing.T) {
	set := testSettings()
	set.Idle = 30 * time.Millisecond
	s := serveFake(t, set, hello)
	c := s.dial()
	c.send(get("/"))
	wantAnswer(c, "GET / ")
	c.gone()
	c.send(get("/late"))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	if n := s.app.calls.Load(); n != 1 {
		t.Errorf("%d requests served", n)
	}
}

// Nobody reads while the only thread is inside the application. What came in
// that time came in time.
func TestWhatWaitsInTheSocketIsReadBeforeTheTimeIsUp(t *testing.T) {
	entered, free := make(chan bool), make(chan bool)
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		if r.path == "/slow" {
			entered <- true
			<-free
			r.app.w.timers.Shorten(classHeader, 1, 0) // as if it had taken a minute
			r.app.w.timers.Shorten(classBody, 1, 0)
		}
		return hello(r)
	})
	head, body, slow := s.dial(), s.dial(), s.dial()
	head.send("GET /head HTT")
	body.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
	slow.send(get("/slow"))
	<-entered
	head.send("P/1.1\r\nHost: a\r\n\r\n")
	body.send("cd")
	free <- true
	wantAnswer(head, "GET /head ")
	wantAnswer(body, "POST /body abcd")
}

// endless makes an answer that no client takes without reading.
func endless(closed func()) fakeReply {
	return fakeReply{status: "200 OK", big: true, body: make([]byte, 64<<20), closed: closed}
}

func TestClientThatTakesNothingIsGivenUp(t *testing.T) {
	set := testSettings()
	set.Write = 50 * time.Millisecond
	given := make(chan bool)
	s := serveFake(t, set, func(*fakeRequest) fakeReply { return endless(func() { close(given) }) })
	c := s.dial()
	c.send(get("/"))
	<-given
}

func TestWriteCallableGivesUpToo(t *testing.T) {
	set := testSettings()
	set.Write = 50 * time.Millisecond
	wrote := make(chan bool, 1)
	s := serveFake(t, set, func(r *fakeRequest) fakeReply {
		reply := fakeReply{status: "200 OK"}
		w := r.app.w
		wrote <- w.threads[w.conns[r.conn].thread].writes(call.Batch{}, r.app.pack(&reply), make([]byte, 64<<20))
		return fakeReply{fail: 1}
	})
	c := s.dial()
	c.send(get("/"))
	if <-wrote {
		t.Error("write() came back as if the client had read")
	}
}

// With every connection busy there is nothing to close: a new one waits in the
// queue until one of them ends.
func TestFullWorkerLeavesTheQueueAlone(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"max_connections":    func(s *Settings) { s.MaxConns = 2 },
		"worker_connections": func(s *Settings) { s.MaxEngaged = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			set := testSettings()
			change(&set)
			var ended atomic.Int32
			s := serveFake(t, set, func(r *fakeRequest) fakeReply {
				if r.path == "/endless" {
					return endless(func() { ended.Add(1) })
				}
				return fakeReply{status: "200 OK", body: fmt.Append(nil, ended.Load())}
			})
			a, b := s.dial(), s.dial()
			for _, c := range []*client{a, b} {
				c.send(get("/endless"))
				c.head()
			}
			late := s.dial()
			late.send(get("/"))
			a.Close()
			late.head()
			if got := late.body(1); got != "1" {
				t.Errorf("served when %s busy connections had ended", got)
			}
			b.Close()
		})
	}
}

func TestIdleConnectionMakesRoomUnlessItsRequestIsThere(t *testing.T) {
	set := testSettings()
	set.MaxConns = 2
	entered, free := make(chan bool), make(chan bool)
	s := serveFake(t, set, func(r *fakeRequest) fakeReply {
		if r.path == "/slow" {
			entered <- true
			<-free
		}
		return hello(r)
	})
	oldest, other := s.dial(), s.dial()
	for _, c := range []*client{oldest, other} {
		c.send(get("/"))
		wantAnswer(c, "GET / ")
	}
	other.send(get("/slow"))
	<-entered
	third := s.dial()
	third.send(get("/third"))
	oldest.send(get("/again")) // behind the worker's back
	free <- true
	wantAnswer(other, "GET /slow ")
	wantAnswer(third, "GET /third ")
	wantAnswer(oldest, "GET /again ")
}
