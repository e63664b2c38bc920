package server

import (
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// given waits until a thread has a suspended answer to go on with, or stop says
// that there will be none.
func (s *server) given(threads []*appThread, stop func() bool) {
	for there := false; !there && !stop(); runtime.Gosched() {
		for _, one := range threads {
			there = there || s.crew.pool.HasTodo(&one.member)
		}
	}
}

// Whoever comes back from the application and leads, and has been given a
// suspended answer meanwhile, goes on with it before it waits for events.
func TestLeaderGoesOnWithItsAnswersBeforeItWaits(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		testThreads = 2
		owner, inside := make(chan int, 1), make(chan int)
		var free [3]chan struct{}
		for i := range free {
			free[i] = make(chan struct{})
		}
		s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
			if r.path == "/big" {
				owner <- unix.Gettid()
				return endless(nil)
			}
			inside <- unix.Gettid()
			<-free[r.path[1]-'0']
			return hello(r)
		})
		var c [3]*client
		enter := func(i int) int {
			c[i] = s.dial()
			c[i].send(get(fmt.Sprint("/", i)))
			return <-inside
		}
		leave := func(i int) {
			close(free[i])
			wantAnswer(c[i], fmt.Sprintf("GET /%d ", i))
		}
		big := s.dial()
		big.send(get("/big"))
		big.head()
		// The thread with the suspended answer goes into the application, and the other one leads.
		busy := 0
		if enter(0) != <-owner {
			enter(1)
			leave(0)
			busy = 1
		}
		read := make(chan error, 1)
		go func() {
			_, err := io.CopyN(io.Discard, big.r, 64<<20)
			read <- err
		}()
		s.given(s.threads[1:], func() bool { return len(read) > 0 })
		enter(2)
		leave(busy)
		if err := <-read; err != nil {
			t.Errorf("the rest of the answer: %v", err)
		}
		leave(2)
	})
}

// restingPool is a worker that does not run, of two threads, of which b leads.
func restingPool(t *testing.T) (s *server, a, b *appThread) {
	s = newFake(t, testSettings(), hello)
	t.Cleanup(func() {
		s.poll.Close()
		s.master.Close()
		s.ctl.Close()
	})
	if err := newPool(s.eventLoop, 2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.crew.pool.Waker().Close)
	t.Cleanup(s.crew.pool.ended.Close)
	a, b = newAppThread(s.eventLoop, 1, s.app.door(1)), newAppThread(s.eventLoop, 2, s.app.door(2))
	s.threads = []*appThread{a, b}
	b.l = s.eventLoop
	return s, a, b
}

// accepted is a connection of s, which does not run, and its client.
func accepted(s *server) (*conn, *client) {
	client := s.dial()
	l := s.sources.listeners[0]
	loop.WaitReadable(l.fd, -1)
	fd, _, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.open(fd, l, netip.AddrPort{}), client
}

// handedBack is the connection of a pool of two whose answer, its last, a has
// sent while b leads.
func handedBack(t *testing.T) (s *server, b *appThread, c *conn, client *client) {
	s, a, b := restingPool(t)
	c, client = accepted(s)
	ans := answer.Leftover([]byte("the end"))
	ans.Frame = response.Framing{Status: 200, Length: -1}
	c.become(serving)
	a.cur, a.curAns = c, ans
	if v := a.Flush(&c.Conn, ans); v != answer.Sent || a.leave(c, v) {
		t.Fatalf("%d, or it leads as well", v)
	}
	return s, b, c, client
}

// A worker that drains waits for nothing once the leader has settled the last
// connection that another thread has handed back.
func TestLastConnectionHandedBackEndsTheDrain(t *testing.T) {
	s, b, _, _ := handedBack(t)
	s.now = loop.Now()
	s.drain = drainState{on: true, deadline: s.now + int64(20*time.Second)}
	if b.l.turn(b) == handedOver || !s.eventLoop.ended() {
		t.Error("it is not over")
	}
	if loop.Now() >= s.drain.deadline {
		t.Error("the leader has slept")
	}
}

// What a thread hands back is whole to its client, even if it ends with the
// connection; and the leader comes to it before the next event.
func TestHandedBackConnectionIsNotLeftWaiting(t *testing.T) {
	s, b, c, client := handedBack(t)
	if got := client.rest(); got != "the end" {
		t.Errorf("got %q", got)
	}
	other, _ := accepted(s)
	s.poll.Add(other.fd(), other.gen+1, loop.DuplexEdge)
	s.poll.Poll()
	if b.l.turn(b) == handedOver || c.phase != closed {
		t.Error("the leader goes on with events first")
	}
	s.close(other, false)
}
