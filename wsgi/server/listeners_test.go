package server

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

// besides opens one more listening socket that pretends to be the server's
// address; its descriptor and its own address.
func besides(t *testing.T) (int, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	t.Cleanup(func() { f.Close() })
	return int(f.Fd()), l.Addr().String()
}

func (s *server) covers(fd int, id int) {
	s.t.Helper()
	about := workerctl.Listener{Kind: "tcp", Host: "127.0.0.1", Port: s.port(), ID: id}
	if err := s.master.Send(workerctl.Cover{Listener: about}, fd); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) port() int {
	s.t.Helper()
	a, err := net.ResolveTCPAddr("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.Port
}

// ask sends one request to an address and gives the answer.
func ask(t *testing.T, s *server, addr string) string {
	t.Helper()
	there := *s
	there.addr = addr
	c := there.dial()
	c.send("GET /there HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	return c.rest()
}

func TestCoveredSocketIsServedAndEmptiedBeforeItIsClosed(t *testing.T) {
	for name, threads := range map[string]int{"one thread": 1, "threads": 3} {
		t.Run(name, func(t *testing.T) {
			entered, free := make(chan bool, 1), make(chan bool)
			set := testSettings()
			set.Threads = threads
			s := serveFake(t, set, func(r *fakeRequest) fakeReply {
				if r.path == "/wait" {
					entered <- true
					<-free
				}
				return hello(r)
			})
			fd, addr := besides(t)
			s.covers(fd, 7)
			if got := ask(t, s, addr); got == "" {
				t.Fatal("no answer")
			}
			// What waits in the queue when the order comes is served.
			busy := s.dial()
			if threads == 1 {
				busy.send(get("/wait"))
				<-entered
			}
			there := *s
			there.addr = addr
			var waiting []*client
			for range 5 {
				c := there.dial()
				c.send("GET /there HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				waiting = append(waiting, c)
			}
			if err := s.master.Send(workerctl.Uncover{ID: 7}); err != nil {
				t.Fatal(err)
			}
			close(free)
			for _, c := range waiting {
				if got := c.rest(); got == "" {
					t.Error("a queued request was dropped")
				}
			}
			// The worker's duplicate is closed: with the test's own one gone, nobody listens.
			_ = unix.Shutdown(fd, unix.SHUT_RDWR)
			if c, err := net.DialTimeout("tcp", addr, 5*time.Second); err == nil {
				c.Close()
				t.Error("the socket still listens")
			}
			if got := ask(t, s, s.addr); got == "" {
				t.Error("the worker's own socket is not served any more")
			}
			s.stop()
		})
	}
}

func TestDrainingWorkerCoversNothing(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	c := s.dial()
	c.send(get("/1"))
	wantAnswer(c, "GET /1 ")
	s.drainBy(workerctl.Drain{GracefulTimeout: 30})
	fd, _ := besides(t)
	s.covers(fd, 7)
	c.send(get("/2"))
	c.head()
	c.rest()
	s.wait()
}

func TestTheLastSocketToEndEndsTheDrain(t *testing.T) {
	entered, free := make(chan bool, 1), make(chan bool)
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		entered <- true
		<-free
		return hello(r)
	})
	fd, _ := besides(t)
	s.covers(fd, 7)
	c := s.dial()
	c.send("GET / HTTP/1.0\r\n\r\n")
	<-entered
	c.Close()
	if err := s.master.Send(workerctl.Uncover{ID: 7}); err != nil {
		t.Fatal(err)
	}
	if err := s.master.Send(workerctl.Drain{GracefulTimeout: 3600}); err != nil {
		t.Fatal(err)
	}
	close(free)
	s.wait() // not for an hour
}
