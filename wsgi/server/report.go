package server

import (
	"time"

	"gosrv/wsgi/access"
	"gosrv/wsgi/answer"
	"gosrv/wsgi/body"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/measure"
	"gosrv/wsgi/tlsio"
)

// reporter writes a thread's lines of the access log.
type reporter struct {
	access *access.Log
	env    Describer
	line   access.Line
	again  call.Request // one that is described again, for its line
}

// report writes what the logs get of an answer that is over: the fault of the
// application, and the access log's line. The thread that served it calls it, as
// long as the request is still in the buffer.
func (s *appThread) report(c *conn, a *answer.Answer, v answer.Verdict) {
	if a.Fault != "" {
		s.ReleaseGIL()
		r := s.request(c)
		head := c.In.Unread()
		s.w.log.Errorf("Error handling request %s %s: %s", r.Method.Of(head), r.Target.Of(head), a.Fault)
		a.Fault = ""
	}
	if v == answer.Sent || v == answer.Cut || v == answer.Handled {
		s.record(c, a, s.request(c))
	}
	if s.On() && (v == answer.Sent || v == answer.Cut || v == answer.Handled || v == answer.Lost) {
		measureAnswer(s, c, a, v)
	}
}

// record writes the line of an answer that is over, whole or cut. The request
// is still in the buffer.
func (p *reporter) record(c *conn, a *answer.Answer, r *http1.Request) {
	if !p.access.Wanted() || a.Logged || a.Frame.Status == 0 {
		return
	}
	a.Logged = true
	took := time.Duration(loop.Now() - a.Started)
	head := c.In.Unread()[:r.HeadLen]
	if c.Suspended != nil {
		// The thread has served others since. It was possible once, so it is now.
		p.again = call.Request{Head: head, Parsed: r, Client: &c.client, Listener: c.listener.number}
		_ = p.env.Describe(&p.again)
	}
	about := access.Request{Head: head, Parsed: r, Environ: p.env, Reply: a.Reply, Notes: a.Notes}
	p.access.Record(&p.line, &about, a.Frame.Status, a.BodySent(), took)
}

// measureAnswer counts an answer that is over, whole or cut, or given by the watchdog.
// Its request is still in the buffer.
func measureAnswer(s *appThread, c *conn, a *answer.Answer, v answer.Verdict) {
	r := s.request(c)
	head := c.In.Unread()[:r.HeadLen]
	end := s.Now
	if c.Suspended != nil || a.Logged { // its last bytes have left later, or the clock is read anyway
		end = loop.Now()
	}
	of := metrics.Request{
		Method: r.Method.Of(head), Path: r.Path.Of(head), Route: a.Route, Status: a.Frame.Status,
		In: int64(c.Size), Out: a.Out, End: end, Times: measure.Times(&c.arrival, &a.Course, a.Started, s.Now, end, c.Suspended != nil),
	}
	if c.body != nil {
		of.In = int64(r.HeadLen) + c.body.Got()
	}
	if v == answer.Lost {
		of.Status = 504
		s.Count(metrics.RequestTimeout)
	}
	if a.Deserted {
		s.Count(metrics.ClientsGone)
	}
	if c.client.Trusted {
		s.FromProxy(&of.Times, head, r, c.arrival.First, end)
	}
	s.access.Waited(&of.Times)
	s.Meter.Record(&of, func() []byte { return measure.TraceID(head, r) })
}

// countRefusal counts a request that is not served.
func countRefusal(s *appThread, c *conn, why *body.Refusal) {
	switch {
	case why.Status == 408 && c.phase == filling:
		s.Count(metrics.BodyTimeout)
	case why.Status == 408:
		s.Count(metrics.HeaderTimeout)
	case why.Status == 413 || c.phase == filling:
		s.Count(metrics.RefusedBody)
	default:
		s.Count(metrics.RefusedHead)
	}
}

// recordRefusal writes the line of a request that was refused, if as much as
// its request line was understood. length is that of the answer's body.
func (p *reporter) recordRefusal(c *conn, status int, length int64) {
	r := c.req
	if r == nil || r.Proto.Len == 0 {
		return
	}
	p.access.RecordRefusal(&p.line, &access.Request{Head: c.In.Unread(), Parsed: r, Client: &c.client}, status, length)
}

// logRefusal says why a request was refused, in Gunicorn's words. A client on a
// unix socket has no address.
func (s *appThread) logRefusal(c *conn, e *http1.Error) {
	s.ReleaseGIL()
	logRefusal(s.w.log, c, e)
}

func logRefusal(log *errlog.Logger, c *conn, e *http1.Error) {
	ip := ""
	if addr := c.client.Peer.Addr(); addr.IsValid() {
		ip = addr.String()
	}
	reason := e.Reason
	if c.Wire.Plain() && c.phase != securing && tlsio.Begins(c.In.Unread()) {
		reason = "the client speaks TLS, and this port plain HTTP"
	}
	log.Warningf("Invalid request from ip=%s: %s", ip, reason)
}
