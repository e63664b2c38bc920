package server

import (
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
)

const upgradeHead = "GET /own HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\n"

// own makes a worker whose application calls use for requests of /own, and
// answers "hello" to others. use gets the thread and a copy of the connection's
// descriptor, and says what is left of it and how the call ends.
func own(t *testing.T, set Settings, use func(s *appThread, fd int) (left int, state call.State)) *server {
	t.Helper()
	s := newFake(t, set, func(r *fakeRequest) fakeReply {
		if r.path != "/own" {
			return fakeReply{status: "200 OK", body: []byte("hello")}
		}
		fd, err := unix.Dup(r.conn)
		if err != nil {
			t.Error(err)
		}
		unix.CloseOnExec(fd)
		left, state := use(r.thread, fd)
		return fakeReply{ends: true, state: state, left: left}
	})
	s.begin()
	return s
}

// take takes the connection over and gives what came behind its request.
func take(t *testing.T, s *appThread) string {
	t.Helper()
	n := useSocket(s, call.SocketTake, nil)
	if n > 0 && s.curAns.Holder != answer.BothHave {
		t.Error("taken over although what came had no room")
	}
	buf := make([]byte, max(n, 0))
	if got := useSocket(s, call.SocketTake, buf); n < 0 || s.curAns.Holder != answer.AppHas {
		t.Errorf("not taken over: %d, %d", n, got)
	}
	return string(buf)
}

// say writes to a descriptor and reads the client's answer.
func say(t *testing.T, fd int, text string) string {
	t.Helper()
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		t.Error(err)
	}
	_ = unix.SetNonblock(fd, false)
	var b [100]byte
	n, err := unix.Read(fd, b[:])
	if err != nil {
		t.Error(err)
	}
	return string(b[:max(n, 0)])
}

func (s *server) awaitConnections(n int) {
	s.t.Helper()
	for end := time.Now().Add(patience); s.board.Snapshot(0).Connections != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%d connections are counted, not %d", s.board.Snapshot(0).Connections, n)
		}
	}
}

func TestAConnectionIsTakenOverAndComesBack(t *testing.T) {
	behind, answer := make(chan string, 1), make(chan string, 1)
	s := own(t, testSettings(), func(s *appThread, fd int) (int, call.State) {
		old := s.cur.fd()
		behind <- take(t, s)
		if _, err := unix.FcntlInt(uintptr(old), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("the server still has its descriptor: %v", err)
		}
		answer <- say(t, fd, "own words")
		return fd, call.Handled
	})
	c := s.dial()
	for range 2 {
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		c.head()
		c.body(5)
	}
	c.send(upgradeHead + "GET / HTTP/1.1 is not a request here")
	if got := <-behind; got != "GET / HTTP/1.1 is not a request here" {
		t.Errorf("behind the request came %q", got)
	}
	if got := c.body(9); got != "own words" {
		t.Errorf("%q", got)
	}
	s.awaitConnections(1)
	c.send("the client's")
	if got := <-answer; got != "the client's" {
		t.Errorf("%q", got)
	}
	c.gone()
	c.Close()
	s.awaitConnections(0)
}

func TestATakenConnectionThatIsClosedIsForgotten(t *testing.T) {
	for _, state := range []call.State{call.Handled, call.Failed, call.Done} {
		s := own(t, testSettings(), func(s *appThread, fd int) (int, call.State) {
			take(t, s)
			_ = unix.Close(fd)
			return -1, state
		})
		c := s.dial()
		c.send(upgradeHead)
		c.gone()
		s.awaitConnections(0)
	}
}

// The number of a descriptor that was given away is the next connection's.
func TestTheNumberOfATakenDescriptorIsUsedAgain(t *testing.T) {
	set := testSettings()
	set.Threads = 3
	taken, end := make(chan struct{}), make(chan struct{})
	s := own(t, set, func(s *appThread, fd int) (int, call.State) {
		take(t, s)
		close(taken)
		<-end
		return fd, call.Handled
	})
	first := s.dial()
	first.send(upgradeHead)
	<-taken
	others := []*client{s.dial(), s.dial(), s.dial()}
	ask := func() {
		for _, c := range others {
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			c.head()
			c.body(5)
		}
	}
	ask()
	s.awaitConnections(4)
	close(end)
	first.gone()
	first.Close()
	s.awaitConnections(3)
	ask()
}

func TestLookingAtTheSocketLeavesTheAnswerToTheServer(t *testing.T) {
	for _, c := range []struct {
		use  call.SocketUse
		kept bool
	}{{call.SocketLook, true}, {call.SocketRead, false}} {
		s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
			if n := useSocket(r.thread, c.use, nil); n != 0 {
				t.Errorf("%d bytes behind the request", n)
			}
			return fakeReply{status: "200 OK", body: []byte("hello")}
		})
		client := s.dial()
		client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if head := client.head(); strings.Contains(head, "Connection: keep-alive") != c.kept {
			t.Errorf("use %d: %q", c.use, head)
		}
		client.body(5)
		if !c.kept {
			client.gone()
		}
	}
}

func TestARequestThatUsesTheSocketIsNeverLate(t *testing.T) {
	set := testSettings()
	set.Request = 20 * time.Millisecond
	s := own(t, set, func(s *appThread, fd int) (int, call.State) {
		take(t, s)
		time.Sleep(10 * set.Request)
		return fd, call.Handled
	})
	c := s.dial()
	c.send(upgradeHead)
	c.gone()
	if log := s.logged(); strings.Contains(log, "TIMEOUT") {
		t.Error(log)
	}
}

func TestALateRequestGetsNoSocket(t *testing.T) {
	set := testSettings()
	set.Request = 20 * time.Millisecond
	answered, got := make(chan struct{}), make(chan int, 1)
	s := own(t, set, func(s *appThread, fd int) (int, call.State) {
		<-answered
		got <- useSocket(s, call.SocketTake, nil)
		_ = unix.Close(fd)
		return -1, call.Failed
	})
	c := s.dial()
	c.send(upgradeHead)
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 504 ") {
		t.Errorf("%q", head)
	}
	close(answered)
	if n := <-got; n != -int(unix.ECONNABORTED) {
		t.Errorf("a socket was given: %d", n)
	}
	if _, err := io.ReadAll(c.r); err != nil {
		t.Error(err)
	}
}

func TestWhatIsTakenOverHoldsADrain(t *testing.T) {
	taken, end := make(chan struct{}), make(chan struct{})
	set := testSettings()
	set.Threads = 2
	s := own(t, set, func(s *appThread, fd int) (int, call.State) {
		take(t, s)
		close(taken)
		<-end
		return fd, call.Handled
	})
	c := s.dial()
	c.send(upgradeHead)
	<-taken
	s.order(drainOrder)
	for began := loop.Now(); loop.Now()-began < int64(50*time.Millisecond); {
		select {
		case <-s.ended:
			t.Fatal("the worker has left a connection behind that was taken over")
		default:
			time.Sleep(time.Millisecond)
		}
	}
	close(end)
	c.gone()
	c.Close()
	s.wait()
}
