package server

import (
	"time"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/access"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/loop"
)

// environment is what a thread has of its request for the application and for the
// logs: the packed environ, and room to put a line together.
type environment struct {
	w        *worker
	pack     environ.Packed
	versions [cpython.CachedEnvirons]uint32 // versions of the environs that C has for this thread
	line     access.Line
	remote   []byte    // of a refused request's line
	listener *listener // of the line being written
}

// report writes what the logs get of an answer that is over: the fault of the
// application, and the access log's line. The slot that served it calls it, as
// long as the request is still in the buffer.
func (s *slot) report(c *conn, a *answer, v verdict) {
	if a.fault != "" {
		s.ReleaseGIL()
		r := s.request(c)
		head := c.in.Unread()
		s.w.log.Errorf("Error handling request %s %s: %s", r.Method.Of(head), r.Target.Of(head), a.fault)
		a.fault = ""
	}
	if v == sent || v == cut || v == handled {
		s.record(c, a, s.request(c))
	}
}

// record writes the line of an answer that is over, whole or cut. The request
// is still in the buffer.
func (s *environment) record(c *conn, a *answer, r *http1.Request) {
	w := s.w
	if !w.access.Wanted() || a.logged || a.frame.Status == 0 {
		return
	}
	a.logged = true
	duration := time.Duration(loop.Now() - a.started)
	head := c.in.Unread()[:r.HeadLen]
	if c.ans != nil {
		// The slot has served others since. It was possible once, so it is now.
		_ = s.pack.Pack(head, r, &c.facts)
	}
	s.listener = c.listener
	w.access.Record(&s.line, &access.Request{
		Head: head, Parsed: r, Environ: s, Reply: a.reply, Notes: a.notes,
		Path: s.pack.Text(head, environ.PathInfo), Remote: s.pack.Text(head, environ.RemoteAddr),
	}, a.frame.Status, a.bytes-a.left.body(&a.frame), duration)
}

// recordRefusal writes the line of a request that was refused, if as much as
// its request line was understood. length is that of the answer's body.
func (s *environment) recordRefusal(c *conn, status int, length int64) {
	r := c.req
	if r == nil || r.Proto.Len == 0 {
		return
	}
	s.remote = s.remote[:0]
	if peer := c.facts.Peer; peer.IsValid() {
		s.remote = peer.Addr().AppendTo(s.remote)
	}
	head := c.in.Unread()
	s.w.access.RecordRefusal(&s.line, &access.Request{Head: head, Parsed: r, Path: r.Path.Of(head), Remote: s.remote}, status, length)
}

// Texts of wsgi.url_scheme.
var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// Served is access.Environ's.
func (s *environment) Served(head []byte, name string) []byte {
	if name == "wsgi.url_scheme" {
		if s.pack.HTTPS {
			return schemeHTTPS
		}
		return schemeHTTP
	}
	if value := s.pack.Lookup(head, name); value != nil {
		return value
	}
	return s.listener.constant[name]
}

// logRefusal says why a request was refused, in Gunicorn's words. A client on a
// unix socket has no address.
func (s *slot) logRefusal(c *conn, e *http1.Error) {
	s.ReleaseGIL()
	logRefusal(s.w.log, c, e)
}

func logRefusal(log *errlog.Logger, c *conn, e *http1.Error) {
	ip := ""
	if addr := c.facts.Peer.Addr(); addr.IsValid() {
		ip = addr.String()
	}
	log.Warningf("Invalid request from ip=%s: %s", ip, e.Reason)
}
