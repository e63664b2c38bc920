package wsgi

import (
	"bytes"
	"net/url"
	"time"

	"gosrv/wsgi/accesslog"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

const (
	// accessBatch is when a slot's lines go to the writer although more of the
	// same batch of events may follow.
	accessBatch = 32 << 10
	// accessPatience is what the last lines get at the end.
	accessPatience = 2 * time.Second
)

// accessLog is a slot's side of the access log. Lines gather in it until the
// batch of events is done: waking the writer costs more than writing a line.
type accessLog struct {
	format *accesslog.Format
	writer *accesslog.Writer
	entry  accesslog.Entry
	lines  []byte
	remote []byte
	source accessSource
}

// accessSource looks up what a format asks for by name, in the request in the
// buffer and in the application's packed head.
type accessSource struct {
	head   []byte
	req    *http1.Request
	reply  packed
	scheme string
	entry  *accesslog.Entry
}

// openAccessLog gives every slot the log, if one is set.
func (w *worker) openAccessLog(format string, fd int) error {
	f, err := accesslog.Compile(format)
	if err != nil {
		return err
	}
	w.format = f
	w.access = accesslog.NewWriter(fd, 0, func(text string) { w.log.Warningf("%s", text) })
	return nil
}

// record adds the line of an answered request.
func (s *slot) record(c *conn, a *answer) {
	if s.w.access == nil {
		return
	}
	s.line(c, a.frame.status, a.bytes, a.started, a.reply)
}

// line adds a line about the request in the buffer.
func (s *slot) line(c *conn, status int, n, started int64, reply packed) {
	w, l := s.w, &s.access
	r := s.request(c)
	head := c.in[c.r : c.r+r.HeadLen]
	l.remote = l.remote[:0]
	if peer := c.facts.Peer; peer.IsValid() {
		l.remote = peer.Addr().AppendTo(l.remote)
	}
	l.source = accessSource{head: head, req: r, reply: reply, scheme: "http", entry: &l.entry}
	if s.pack.HTTPS {
		l.source.scheme = "https"
	}
	e := &l.entry
	e.Remote, e.Method, e.Target = l.remote, r.Method.Of(head), r.Target.Of(head)
	e.Path, e.Query, e.Proto = r.Path.Of(head), r.Query.Of(head), r.Proto.Of(head)
	if bytes.IndexByte(e.Path, '%') >= 0 {
		if text, err := url.PathUnescape(string(e.Path)); err == nil {
			e.Path = []byte(text)
		}
	}
	e.Status, e.Bytes = status, n
	e.End = time.Now()
	e.Duration = time.Duration(loop.Now() - started)
	e.Source = &l.source
	l.lines = w.format.Append(l.lines, e)
	if len(l.lines) >= accessBatch {
		s.flushAccess()
	}
}

// flushAccess hands the gathered lines to the writer.
func (s *slot) flushAccess() {
	if l := &s.access; len(l.lines) > 0 {
		s.w.access.Write(l.lines)
		l.lines = l.lines[:0]
	}
}

// closeAccess writes what is left, at the worker's end.
func (w *worker) closeAccess() {
	if w.access == nil {
		return
	}
	for _, s := range w.slots {
		s.flushAccess()
	}
	if err := w.access.Close(accessPatience); err != nil {
		w.log.Warningf("%v", err)
	}
}

// RequestHeader is the last field of that name.
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
	p.status()
	for n := p.count(); n > 0; n-- {
		if key, value := p.header(); http1.EqualFold(key, name) {
			found = value
		}
	}
	return found
}

// Environ is the server's part of the environ; keys that the application adds
// are not seen here.
func (a *accessSource) Environ(name string) []byte {
	switch name {
	case "request_method":
		return a.entry.Method
	case "raw_uri":
		return a.entry.Target
	case "path_info":
		return a.entry.Path
	case "query_string":
		return a.entry.Query
	case "server_protocol":
		return a.entry.Proto
	case "remote_addr":
		return a.entry.Remote
	case "wsgi.url_scheme":
		return []byte(a.scheme)
	case "content_type", "content_length":
		return a.RequestHeader(dashed(name))
	}
	if len(name) > 5 && name[:5] == "http_" {
		return a.RequestHeader(dashed(name[5:]))
	}
	return nil
}

// dashed is the header that an environ key stands for.
func dashed(key string) string {
	b := []byte(key)
	for i, c := range b {
		if c == '_' {
			b[i] = '-'
		}
	}
	return string(b)
}

var _ accesslog.Source = (*accessSource)(nil)
