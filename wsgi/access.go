package wsgi

import (
	"time"
	"unicode/utf8"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/logs/accesslog"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/logs/syslog"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// logging is where lines and metrics go.
type logging struct {
	log       *errlog.Logger
	access    *accesslog.Writer // nil: no access log
	format    *accesslog.Format
	keepReply bool // format shows headers of the application
	out       destinations
	pythonLog func(fd int)   // gives Python's loggers the new error log; nil: there are none
	logFDs    map[string]int // by name in Serve.FDs
}

// accessPatience is what the last lines get at the end.
const accessPatience = 2 * time.Second

// accessLine is where a slot puts a line together. Nothing in it is kept from
// one line to the next but memory.
type accessLine struct {
	entry  accesslog.Entry
	source accessSource
	text   []byte
	remote []byte
}

// environment is what a thread has of its request for the application and for the
// logs: the packed environ, and room to put a line together.
type environment struct {
	w        *worker
	pack     environ.Packed
	versions [cpython.CachedEnvirons]uint32 // versions of the environs that C has for this thread
	access   accessLine
}

// accessSource looks up what a format asks for by name. Its parts are lent for
// one line; env is nil where the request was refused before it had an environ.
type accessSource struct {
	head     []byte
	req      *http1.Request
	env      *environ.Packed
	listener *listener
	reply    response.PackedHead
	notes    []byte
}

// openAccessLog starts the access log on fd.
func (w *logging) openAccessLog(format string, fd int) {
	w.compileAccess(format)
	w.access = accesslog.NewWriter(fd, 0, func(text string) { w.log.Warningf("%s", text) })
}

// compileAccess prepares lines for a file, syslog, or both. A format that Python
// would refuse gives way to Gunicorn's default; the master has warned of it
// once, for all workers.
func (w *logging) compileAccess(format string) {
	f, err := accesslog.Compile(format)
	if err != nil {
		f, _ = accesslog.Compile(accesslog.Default)
	}
	w.format = f
	w.keepReply = f.AsksForReply()
}

// closeAccess writes what is left, at the worker's end.
func (w *logging) closeAccess() {
	if w.access == nil {
		return
	}
	if err := w.access.Close(accessPatience); err != nil {
		w.log.Warningf("%v", err)
	}
}

// record writes the line of an answer that is over, whole or cut. The request
// is still in the buffer.
func (s *environment) record(c *conn, a *answer, r *http1.Request) {
	w := s.w
	if !w.out.any || a.logged || a.frame.Status == 0 {
		return
	}
	a.logged = true
	duration := time.Duration(loop.Now() - a.started)
	if w.out.requests {
		w.out.Stats.Request(duration, a.frame.Status)
	}
	if w.access == nil && w.out.Access == nil {
		return
	}
	head := c.in.Unread()[:r.HeadLen]
	if c.ans != nil {
		// The slot has served others since. It was possible once, so it is now.
		_ = s.pack.Pack(head, r, &c.facts)
	}
	l := &s.access
	l.source = accessSource{head: head, req: r, env: &s.pack, listener: c.listener, reply: a.reply, notes: a.notes}
	e := &l.entry
	e.Path = s.pack.Text(head, environ.PathInfo)
	e.Remote = l.source.current("remote_addr", s.pack.Text(head, environ.RemoteAddr))
	e.Status, e.Bytes = a.frame.Status, a.bytes-a.left.body(&a.frame)
	e.Duration = duration
	s.line()
}

// recordRefusal writes the line of a request that was refused, if as much as
// its request line was understood. length is that of the answer's body.
func (s *environment) recordRefusal(c *conn, status int, length int64) {
	r := c.req
	if !s.w.out.any && !s.w.out.refusals || r == nil || r.Proto.Len == 0 {
		return
	}
	if s.w.out.requests {
		s.w.out.Stats.Request(0, status)
	}
	l := &s.access
	l.remote = l.remote[:0]
	if peer := c.facts.Peer; peer.IsValid() {
		l.remote = peer.Addr().AppendTo(l.remote)
	}
	head := c.in.Unread()
	l.source = accessSource{head: head, req: r, listener: c.listener}
	e := &l.entry
	e.Path, e.Remote = r.Path.Of(head), l.remote
	e.Status, e.Bytes, e.Duration = status, length, 0
	s.line()
}

// line finishes the slot's entry and hands the line to the writer, which copies
// it and never makes anybody wait.
func (s *environment) line() {
	l := &s.access
	e, r, w := &l.entry, l.source.req, s.w
	e.Method, e.Target = r.Method.Of(l.source.head), r.Target.Of(l.source.head)
	e.Query, e.Proto = r.Query.Of(l.source.head), r.Proto.Of(l.source.head)
	e.End = time.Now()
	e.Source = &l.source
	if w.out.refusals {
		s.tellRefusal()
	}
	if w.access != nil || w.out.Access != nil {
		l.text = w.format.Append(l.text[:0], e)
	}
	if w.access != nil {
		w.access.Write(l.text)
	}
	if w.out.Access != nil {
		w.out.Access.Send(syslog.Info, l.text)
	}
	l.source = accessSource{}
}

// RequestHeader is the last field of that name, as it was sent.
func (a *accessSource) RequestHeader(name string) []byte {
	for i := len(a.req.Headers) - 1; i >= 0; i-- {
		if h := &a.req.Headers[i]; http1.EqualFold(h.Name.Of(a.head), name) {
			return h.Value.Of(a.head)
		}
	}
	return nil
}

// ResponseHeader is the last of that name that the application set.
func (a *accessSource) ResponseHeader(name string) (found []byte) {
	if len(a.reply) == 0 {
		return nil
	}
	p := a.reply
	p.Status()
	for n := p.Count(); n > 0; n-- {
		if key, value := p.Header(); http1.EqualFold(key, name) {
			found = value
		}
	}
	return found
}

// Texts of wsgi.url_scheme.
var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// Environ is what the application left in environ, or what the server put there.
func (a *accessSource) Environ(name string) []byte { return a.current(name, a.served(name)) }

// current is what the application made of a value of the server's; the same characters mean that
// it left it alone, and then the bytes are the client's own.
func (a *accessSource) current(name string, served []byte) []byte {
	for rest := a.notes; len(rest) > 0; {
		var key, value []byte
		if key, value, rest = cpython.Note(rest); string(key) != name {
			continue
		}
		if served != nil && isLatin1Of(value, served) {
			return served
		}
		return value
	}
	return served
}

// isLatin1Of tells whether text, in UTF-8, has the characters that WSGI's strings show raw as.
func isLatin1Of(text, raw []byte) bool {
	for _, c := range raw {
		r, size := utf8.DecodeRune(text)
		if size == 0 || r != rune(c) {
			return false
		}
		text = text[size:]
	}
	return len(text) == 0
}

// served is the server's part of the environ.
func (a *accessSource) served(name string) []byte {
	if a.env == nil {
		return nil
	}
	if name == "wsgi.url_scheme" {
		if a.env.HTTPS {
			return schemeHTTPS
		}
		return schemeHTTP
	}
	if value := a.env.Lookup(a.head, name); value != nil {
		return value
	}
	return a.listener.constant[name]
}

var _ accesslog.Source = (*accessSource)(nil)

// logRefusal says why a request was refused, in Gunicorn's words. A client on a
// unix socket has no address.
func (s *slot) logRefusal(c *conn, e *http1.Error) {
	s.ReleaseGIL()
	s.w.logRefusal(c, e)
}

func (w *logging) logRefusal(c *conn, e *http1.Error) {
	ip := ""
	if addr := c.facts.Peer.Addr(); addr.IsValid() {
		ip = addr.String()
	}
	w.log.Warningf("Invalid request from ip=%s: %s", ip, e.Reason)
}
