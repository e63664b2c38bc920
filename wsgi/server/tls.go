package server

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/tlspolicy"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/tlsio"
)

// A TLS connection begins in the phase securing: its ClientHello is awaited here, in the read
// buffer, and its handshake runs beside the loop. Then the transport has a layer, and nothing
// else in this package knows of TLS, but for what needs the socket itself: pieces that C
// sends, answers kept in the outbox, hand-overs.

// plainPage answers somebody who speaks plain HTTP where TLS is spoken.
const plainPage = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 65\r\n\r\n" +
	"This port speaks HTTPS: begin the address with https:// instead.\n"

// errPlain is what the log gets of it.
var errPlain = &http1.Error{Status: 400, Reason: "plain HTTP on a port that speaks HTTPS"}

// secure goes on with a connection until its handshake is over: secured takes it from there.
func secure(s *appThread, c *conn) {
	if c.tls != nil {
		c.readable = false
		c.tls.Edge()
		return
	}
	for {
		if c.fresh && c.In.Len() > 0 {
			if p, bad := s.w.greet(c); p != complete && p != incomplete {
				s.end(c, p, bad)
				return
			}
		}
		if !c.fresh {
			switch tlsio.Inspect(c.In.Unread()) {
			case tlsio.HelloWhole:
				shake(s, c)
				return
			case tlsio.HelloPlain:
				s.logRefusal(c, errPlain)
				_, _ = c.Wire.Send([]byte(plainPage), false)
				s.linger(c)
				return
			case tlsio.HelloForeign:
				s.abandon(c)
				return
			}
		}
		if !c.readable {
			s.rest(c)
			return
		}
		if p, bad := s.fill(c); p != incomplete {
			s.end(c, p, bad)
			return
		}
	}
}

// shake starts the handshake of a connection whose ClientHello is in the buffer.
func shake(s *appThread, c *conn) {
	l := s.l
	c.tls = s.w.tls.Begin(c.fd(), c.In.Unread(), uint64(c.fd())<<32|uint64(c.gen))
	c.Wire = c.Wire.Over(c.tls)
	c.In.Release(&l.mem.Bufs)
	c.partial = false
	s.rest(c)
	if c.phase == securing {
		c.tls.Edge() // the rest may have come before the connection was watched
	}
}

// secured goes on with the connections whose handshake is over. The caller leads.
func (l *eventLoop) secured(s *appThread) {
	for _, t := range l.tls.Over() {
		c := l.conns[t.Mark()>>32]
		if c == nil || c.tls != t {
			continue // closed meanwhile, and its handshake has noticed
		}
		if err := t.Err(); err != nil {
			l.sayNotSecured(c, err)
			l.close(c, false)
			continue
		}
		if t.WasChallenge() {
			l.close(c, false) // RFC 8737 3: no data follows
			continue
		}
		if said, wanted := t.Variables(); wanted {
			c.client.Secured = (*call.Secured)(&said)
		}
		c.become(reading)
		if l.http2 != nil && t.Protocol() == "h2" {
			multiplex(s, c, nil)
			continue
		}
		c.readable = true // what came with the handshake has had its edge
		l.later(c)
	}
}

// sayNotSecured writes why there was no handshake. A client that went away says nothing.
func (l *eventLoop) sayNotSecured(c *conn, err error) {
	if text := tlsio.Explain(err); text != "" {
		l.log.Infof("TLS handshake with %s failed: %s", c.client.Peer.Addr(), text)
	}
}

// SetTLS makes later handshakes go by another policy; connections that are open go on.
// Any thread may call it.
func (s *Server) SetTLS(p *tlspolicy.Policy) error {
	if s.w.tls == nil {
		return nil // TLS is switched on by a reload
	}
	return s.w.tls.Replace(p)
}

var _ loop.Layer = (*tlsio.Session)(nil)
