package server

import (
	"encoding/json"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// useSocket is what gunicorn.socket reaches before it is used; cpython.Callbacks.Socket
// says what it gives. The call is inside the application, so the connection is
// the thread's, but this may be another thread, and a third one may lead the loop:
// nothing of what is the leader's is touched.
//
// From the first use on the request takes as long as it likes. From the first
// byte that the application reads or writes itself (SocketTake) the loop forgets
// the connection but for its count; regain says how it comes back.
func useSocket(s *appThread, use call.SocketUse, buf []byte) int {
	c, a := s.cur, s.curAns
	if c != nil && use >= call.SocketSecure {
		return answerSocket(c, a, use, buf)
	}
	if c == nil {
		return -int(unix.ECONNABORTED)
	}
	first := a.holder == serverHas
	if !s.lend(a) {
		return -int(unix.ECONNABORTED)
	}
	if first && s.w.crew.oneCalls() {
		s.w.score.Waive()
	}
	if use == call.SocketLook || a.holder == appHas {
		return 0
	}
	behind := c.behindRequest()
	if len(behind) > len(buf) {
		return len(behind)
	}
	copy(buf, behind)
	a.x.Keep, a.frame.Keep = false, false // a part of the next request may be read
	if use == call.SocketTake {
		if e := giveAway(s.w, c); e != loop.None {
			return -int(e)
		}
		a.holder = appHas
	}
	return len(behind)
}

// behindRequest is what was received behind the request that is served. Where
// the application reads the body as it comes, that is what it has not read.
func (c *conn) behindRequest() []byte {
	st := c.Stream
	if st == nil {
		return c.In.Unread()[c.Size:]
	}
	return st.Unread()
}

// giveAway drops the descriptor: the application's is the last one. Over TLS the
// application gets the end of a tunnel instead. The next
// connection may get its number while this one still stands in conns.
func giveAway(w *worker, c *conn) unix.Errno {
	tunnel := -1
	if c.tls != nil {
		var err error
		if tunnel, err = c.tls.Tunnel(); err != nil {
			w.log.Errorf("gunicorn.socket: %v", err)
			return unix.EMFILE
		}
	}
	if c.Stream != nil {
		c.Stream.Cancel()
	}
	fd := c.fd()
	if c.registered {
		w.unpoll(fd)
		c.registered, c.duplex = false, false
	}
	w.Own(fd, false)
	if c.tls == nil {
		c.Wire.Drop()
	}
	c.Wire, c.tunnel = loop.NewTransport(-1), tunnel
	return loop.None
}

// answerSocket answers the questions among the uses.
func answerSocket(c *conn, a *answer, use call.SocketUse, buf []byte) int {
	var text []byte
	switch {
	case c.tls == nil:
	case use == call.SocketSecure:
		text, _ = json.Marshal(c.tls.Facts()) // strings and numbers: it cannot fail
	case a.holder != appHas:
		return -int(unix.EOPNOTSUPP) // the answer has begun, and its bytes are encrypted with the server's
	default:
		text = strconv.AppendInt(nil, int64(c.tunnel), 10)
	}
	if len(text) <= len(buf) {
		copy(buf, text)
	}
	return len(text)
}

// regain ends the connection. One that was taken over comes back by the
// descriptor that the application has left open, if it has; from there on it is
// as any other that lingers. The caller leads.
func regain(s *appThread, c *conn, a *answer) {
	w := s.l
	if a.holder != appHas {
		s.linger(c)
		return
	}
	if number := c.fd(); w.conns[number] == c {
		w.conns[number] = nil
	}
	fd := int(a.res.FD)
	if fd < 0 {
		w.forget(c)
		return
	}
	c.timer.FD, c.Wire, c.fin, c.eof = fd, loop.NewTransport(fd), false, false
	w.seat(c)
	s.linger(c)
}

// holder says who may speak on a connection while its request is served. It
// begins as the server's and moves down this list only, when the application uses
// gunicorn.socket, or to its end, when the request is late. The request's end is
// the connection's then, unless the application has merely looked.
type holder uint8

const (
	serverHas   holder = iota // the application has no socket, or knows no more of it than its address
	bothHave                  // it has a blocking one beside the server's; what it answers by WSGI leaves as ever
	appHas                    // it has the only one: nothing is read from it, sent to it or waited for here
	watchdogHas               // the watchdog has answered: nothing may be sent
)

// noStatus is what the access log shows of a request whose application has said
// nothing by start_response: None, as Gunicorn's.
const noStatus = -1

// lend leaves the request to the application's own time, as it uses the socket. False: it was late
// before, and the watchdog has answered.
func (s *responder) lend(a *answer) bool {
	if a.holder != serverHas {
		return a.holder != watchdogHas
	}
	if s.rules.watched && !s.watched.Waive() {
		a.lose()
		return false
	}
	a.holder = bothHave
	return true
}

// concede ends the answer of such a request without a word. What is logged is
// what Gunicorn logs: nothing where the application says by an exception that
// all is done.
func (a *answer) concede(out []byte) verdict {
	switch {
	case a.begun:
	case a.state == call.Failed:
		a.frame.Status = 500
	case a.state == call.Handled || a.state == call.Quit:
		a.logged = true
	case a.res.HeadLen > 0:
		head := response.PackedHead(out[:a.res.HeadLen])
		a.frame.Status, _ = http1.ParseStatus(head.Status())
	default:
		a.frame.Status = noStatus
	}
	a.quits = a.state == call.Quit
	a.state, a.begun = call.Done, true
	return handled
}

// tooLate answers 504 in a call's place, whose answer is of. Whatever the socket has no
// room for is lost: it has held no byte of an answer yet. The call may go on meanwhile, in its own thread.
func tooLate(c *Conn, of *answer) *answer {
	if c.Stream != nil {
		c.Stream.Answered() // no 100 Continue from now on
	}
	a := &answer{started: of.started, x: of.x, begun: true}
	page := response.AppendPage(nil, 504, http1.AppendDate(nil, time.Now()), a.x.Head)
	a.frame = response.Framing{Status: 504}
	a.bytes = page.BodyLen()
	_, _ = c.Wire.Send(page.Text, false)
	c.Wire.HalfClose()
	return a
}

// lose gives the answer up to the watchdog, which has sent its own.
func (a *answer) lose() { a.holder, a.logged = watchdogHas, true }
