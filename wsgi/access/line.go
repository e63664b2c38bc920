package access

import (
	"time"
	"unicode/utf8"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/logs/accesslog"
	"gosrv/wsgi/logs/syslog"
	"gosrv/wsgi/response"
)

// Line is where a thread puts a line together. Nothing in it is kept from one
// line to the next but memory.
type Line struct {
	entry  accesslog.Entry
	source source
	text   []byte
	remote []byte
}

// Environ is what a request's environ was before the application had it. head is the request's.
type Environ interface {
	Path(head []byte) []byte               // PATH_INFO
	Remote(head []byte) []byte             // REMOTE_ADDR
	Served(head []byte, key string) []byte // of any key, given in lower case; nil: it is not there
}

// Request is what a line is about. All of it is lent for the call.
type Request struct {
	Head    []byte
	Parsed  *http1.Request
	Environ Environ      // nil: it was refused before it had one
	Client  *call.Client // of one that was refused
	Reply   response.PackedHead
	Notes   []byte // environ at the application's end (call.Note)
}

// source looks up what a format asks for by name. Its parts are lent for one line.
type source struct {
	head  []byte
	req   *http1.Request
	env   Environ
	reply response.PackedHead
	notes []byte
}

// Record says that an answer is over, whole or cut, of so many bytes of body. Call it if Wanted, as long
// as the request is in the buffer.
func (w *Log) Record(l *Line, r *Request, status int, length int64, took time.Duration) {
	if w.measures {
		w.route.Stats.Request(took, status)
	}
	if w.file == nil && w.route.Access == nil {
		return
	}
	l.source = source{head: r.Head, req: r.Parsed, env: r.Environ, reply: r.Reply, notes: r.Notes}
	e := &l.entry
	e.Path = r.Environ.Path(r.Head)
	e.Remote = l.source.current("remote_addr", r.Environ.Remote(r.Head))
	e.Status, e.Bytes = status, length
	e.Duration = took
	w.complete(l)
	w.write(l)
}

// RecordRefusal says that a request was refused with a page of so many bytes, if as much as its request
// line was understood.
func (w *Log) RecordRefusal(l *Line, r *Request, status int, length int64) {
	if !w.wanted && !w.refusals {
		return
	}
	if w.measures {
		w.route.Stats.Request(0, status)
	}
	l.source = source{head: r.Head, req: r.Parsed}
	e := &l.entry
	l.remote = l.remote[:0]
	if peer := r.Client.Peer; peer.IsValid() {
		l.remote = peer.Addr().AppendTo(l.remote)
	}
	e.Path, e.Remote = r.Parsed.Path.Of(r.Head), l.remote
	e.Status, e.Bytes, e.Duration = status, length, 0
	w.complete(l)
	if w.refusals {
		w.tellRefusal(l)
	}
	w.write(l)
}

// complete takes over what the request line says.
func (w *Log) complete(l *Line) {
	e, r := &l.entry, l.source.req
	e.Method, e.Target = r.Method.Of(l.source.head), r.Target.Of(l.source.head)
	e.Query, e.Proto = r.Query.Of(l.source.head), r.Proto.Of(l.source.head)
	e.End = time.Now()
	e.Source = &l.source
}

// write hands the finished line to its writers, which copy it and never make
// anybody wait.
func (w *Log) write(l *Line) {
	if w.file != nil || w.route.Access != nil {
		l.text = w.format.Append(l.text[:0], &l.entry)
	}
	if w.file != nil {
		w.file.Write(l.text)
	}
	if w.route.Access != nil {
		w.route.Access.Send(syslog.Info, l.text)
	}
	l.source = source{}
}

// RequestHeader is the last field of that name, as it was sent.
func (a *source) RequestHeader(name string) []byte {
	for i := len(a.req.Headers) - 1; i >= 0; i-- {
		if h := &a.req.Headers[i]; http1.EqualFold(h.Name.Of(a.head), name) {
			return h.Value.Of(a.head)
		}
	}
	return nil
}

// ResponseHeader is the last of that name that the application set.
func (a *source) ResponseHeader(name string) (found []byte) {
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

// Environ is what the application left in environ, or what the server put there.
func (a *source) Environ(name string) []byte {
	if a.env == nil {
		return a.current(name, nil)
	}
	return a.current(name, a.env.Served(a.head, name))
}

// current is what the application made of a value of the server's; the same characters mean that
// it left it alone, and then the bytes are the client's own.
func (a *source) current(name string, served []byte) []byte {
	for rest := a.notes; len(rest) > 0; {
		var key, value []byte
		if key, value, rest = call.Note(rest); string(key) != name {
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

var _ accesslog.Source = (*source)(nil)
