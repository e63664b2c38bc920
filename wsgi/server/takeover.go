package server

import (
	"encoding/json"
	"strconv"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
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
	if c.h2 != nil {
		return -int(unix.EOPNOTSUPP) // the socket is that of all streams
	}
	first := a.Holder == answer.ServerHas
	if !s.Lend(a) {
		return -int(unix.ECONNABORTED)
	}
	if first && s.w.crew.oneCalls() {
		s.w.score.Waive()
	}
	if use == call.SocketLook || a.Holder == answer.AppHas {
		return 0
	}
	behind := c.behindRequest()
	if len(behind) > len(buf) {
		return len(behind)
	}
	copy(buf, behind)
	a.Request.Keep, a.Frame.Keep = false, false // a part of the next request may be read
	if use == call.SocketTake {
		if e := giveAway(s.w, c); e != loop.None {
			return -int(e)
		}
		a.Holder = answer.AppHas
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
func answerSocket(c *conn, a *answer.Answer, use call.SocketUse, buf []byte) int {
	var text []byte
	switch {
	case c.tls == nil:
	case use == call.SocketSecure:
		text, _ = json.Marshal(c.tls.Facts()) // strings and numbers: it cannot fail
	case a.Holder != answer.AppHas:
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
func regain(s *appThread, c *conn, a *answer.Answer) {
	w := s.l
	if a.Holder != answer.AppHas {
		s.linger(c)
		return
	}
	if number := c.fd(); w.conns[number] == c {
		w.conns[number] = nil
	}
	fd := int(a.Result.FD)
	if fd < 0 {
		w.forget(c)
		return
	}
	c.timer.FD, c.Wire, c.fin, c.eof = fd, loop.NewTransport(fd), false, false
	w.seat(c)
	s.linger(c)
}
