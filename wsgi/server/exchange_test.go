package server

import (
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/handover"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
)

// pretend makes the scoreboard show an idle worker, whose part the test plays.
func (m *market) pretend() { m.board.Slot(3).SetState(scoreboard.Idle) }

// receive takes the next offer off the exchange.
func (m *market) receive() (o handover.Offer, fd int, bytes string) {
	m.t.Helper()
	var x handover.Exchange
	if err := x.Add(workerctl.FDExchangeOut, m.fds[2]); err != nil {
		m.t.Fatal(err)
	}
	waitFor(m.t, func() bool {
		var text []byte
		var empty bool
		var err error
		if o, text, fd, empty, err = x.Receive(); err != nil {
			m.t.Fatal(err)
		}
		bytes = string(text)
		return !empty
	})
	return o, fd, bytes
}

func TestOfferOfAReceiverThatDiedIsServedByItsSender(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	a := m.worker(app.handle)
	c := a.dial()
	c.send(get("/first"))
	wantAnswer(c, "GET /first ")
	app.occupy(a)
	m.worker(hello).stop() // its slot stays idle as a killed worker's does
	m.pretend()
	c.send(get("/second"))
	o, fd, _ := m.receive()
	if e := loop.SendFD(m.fds[1], []byte("cut"), fd); e != loop.None { // a packet that makes no sense
		t.Fatal(e)
	}
	app.release()
	wantAnswer(c, "GET /second ")
	if m.claims.Take(o.Claim) {
		t.Error("the offer can still be taken after its sender has served it")
	}
	loop.Drop(fd)
	c.send(get("/third"))
	wantAnswer(c, "GET /third ")
}

func TestTakenConnectionIsTheReceivers(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	a := m.worker(app.handle)
	c := a.dial()
	c.send(get("/first"))
	wantAnswer(c, "GET /first ")
	app.occupy(a)
	m.pretend()
	c.send(get("/second"))
	var o handover.Offer
	var fd int
	var bytes string
	waitFor(t, func() bool { // one may be made again meanwhile
		o, fd, bytes = m.receive()
		return m.claims.Take(o.Claim)
	})
	if bytes != get("/second") || !o.Used {
		t.Errorf("offered %q, %+v", bytes, o)
	}
	f := os.NewFile(uintptr(fd), "taken")
	io.WriteString(f, "HTTP/1.1 200 OK\r\n\r\n")
	waitFor(t, func() bool { return m.board.Snapshot(0).Connections == 1 })
	app.release()
	f.Close()
	if got := c.rest(); got != "HTTP/1.1 200 OK\r\n\r\n" {
		t.Errorf("the client got %q", got)
	}
	if n := a.app.calls.Load(); n != 2 {
		t.Errorf("the sender served %d requests, want 2", n)
	}
}

// The watchdog looks at the threads while the worker makes a backup loop: under the
// race detector they must not meet.
func TestLoneWorkerJoinsTheExchangeUnderAWatchdog(t *testing.T) {
	m, app := newMarket(t), newSticky()
	defer app.release()
	a := serveFake(t, timedSettings(time.Hour), app.handle, func(o *workerctl.Serve, fds *[]int) { (*fds)[0] = m.fds[0] })
	c := a.dial()
	c.send(get("/alone"))
	wantAnswer(c, "GET /alone ")
	claims, err := unix.Dup(m.fds[3])
	if err != nil {
		t.Fatal(err)
	}
	exchange := workerctl.Exchange{FDs: []string{workerctl.FDExchangeIn, workerctl.FDExchangeOut, workerctl.FDClaims}}
	if err := a.master.Send(exchange, m.fds[1], m.fds[2], claims); err != nil {
		t.Fatal(err)
	}
	unix.Close(claims)
	c.send(get("/joined")) // orders are read before what comes after them
	wantAnswer(c, "GET /joined ")
	app.occupy(a)
	m.pretend()
	c.send(get("/second"))
	_, fd, _ := m.receive()
	loop.Drop(fd)
	app.release()
	wantAnswer(c, "GET /second ")
}
