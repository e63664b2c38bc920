package server

import (
	"gosrv/wsgi/answer"
	"gosrv/wsgi/call"
	"gosrv/wsgi/health"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/measure"
	"gosrv/wsgi/response"
)

// appThread is one application thread: its door to the application and the buffers
// that one request at a time uses.
type appThread struct {
	answer.Responder
	reporter
	place
	measure.Meter

	w      *worker
	l      *eventLoop     // what the leader may touch: nil unless this thread leads
	app    Application    // nil: the thread does not enter it
	cur    *conn          // being served
	curAns *answer.Answer // its answer

	req  *http1.Request
	body call.Body
	call call.Request // here, since it would be made on the heap for each call of an interface

}

// newAppThread prepares for a thread; app is nil until it is there, and always of the backup.
func newAppThread(w *eventLoop, n int, app Application) *appThread {
	s := &appThread{w: w.worker, place: place{n: n}, req: w.getRequest()}
	s.Responder = answer.NewResponder(&w.answers)
	s.access = w.access
	if lendApplication(s, app); app == nil {
		s.env = w.Describer() // the backup's, or until the thread is enlisted
	}
	s.Watched.Main = n == 0
	s.Attach(&w.meters, w.set.Threads > 1, n)
	return s
}

// lendApplication gives a thread its door.
func lendApplication(s *appThread, app Application) { s.app, s.Calls, s.env = app, app, app }

// serve runs the application for the complete request of c and sends what it
// answers. It reports whether this thread still leads the loop; if not, c has
// gone to the thread that does.
func (s *appThread) serve(c *conn) leads {
	w := s.l
	if w.hub != nil {
		w.hub.serve(c)
		return stillLeads
	}
	r := s.request(c)
	head := c.In.Unread()[:r.HeadLen]
	s.call = call.Request{
		Head: head, Parsed: r, Client: &c.client, Listener: c.listener.number, Body: &s.body, Socket: c.Wire.FD(), Out: s.Out,
	}
	if !w.set.NoEnvironCache {
		s.call.Block = w.headBlocks.Number(head, r, &c.known)
	}
	if bad := s.env.Describe(&s.call); bad != nil {
		s.keepRequest(c)
		s.refuse(c, invalid(bad))
		return stillLeads
	}
	now := w.now // read when the last call returned or the batch came in
	countRequest(s)
	w.timers.Disarm(&c.timer) // the request is complete
	c.class = classNone
	w.gate.engage(c)
	a := s.NewAnswer(now, response.Request{
		Head: isHead(r.Method.Of(head)),
		Old:  r.Major == 1 && r.Minor == 0, Stream: c.h2 != nil,
		Keep: r.KeepAlive && w.keepAlive,
		Kept: w.kept, Server: w.server,
	})
	if w.crew.oneCalls() && w.poll.Left() > 0 {
		// Another connection of this batch is most likely next.
		s.call.KeepGIL = true
	}
	s.enter(c, a, r.Method.Of(head), r.Path.Of(head))
	if c.Stream != nil {
		s.body = c.Stream.Whole()
	}
	a.State = s.app.Call(&s.call, &a.Result)
	s.call.Head = nil // the read buffer is the connection's
	v := s.Called(&c.Conn, a)
	if v == answer.Sent {
		v = carry(s, c, a)
	}
	return s.leave(c, v)
}

// answerHealth answers a question for health_path by itself, whatever the application is at; false: the request is none.
// It is neither logged nor counted among the requests. Only a server that stops says so: another worker serves in the
// place of one that merely drains.
func answerHealth(s *appThread, c *conn) bool {
	r, head := s.request(c), c.In.Unread()
	method := r.Method.Of(head)
	if string(r.Path.Of(head)) != s.w.set.Health || r.Chunked || r.ContentLength > 0 || !isHead(method) && string(method) != "GET" {
		return false
	}
	w := s.l
	buf, date := s.Own(w.now)
	reply := health.Reply{Date: date, Server: w.server, Head: isHead(method)}
	if w.drain.final {
		reply.State = health.Stopping
	}
	if r.KeepAlive && w.keepAlive {
		reply.Kept = w.kept
	}
	text := reply.Append(buf)
	s.Count(metrics.HealthChecks)
	w.consume(c)
	if n, e := c.Wire.Send(text, false); e != loop.None || n < len(text) {
		w.close(c, false) // a client that reads nothing wants no answer
	} else if reply.Kept == "" {
		s.linger(c)
	}
	return true
}

// resume goes on with a suspended answer, after the socket has made room or
// others have had their turn. It reports whether this thread still leads.
func (s *appThread) resume(c *conn) leads {
	if c.call != nil {
		s.w.hub.resume(c)
		return stillLeads
	}
	a := c.Suspended
	if a.Bound() && c.thread != s.n {
		s.l.delegate(c, false)
		return stillLeads
	}
	a.Resumed = loop.Now()
	s.enter(c, a, nil, nil)
	return s.leave(c, carry(s, c, a)) && s.follow(c)
}

// follow goes on with a connection whose suspended answer has come to an end:
// the next request may be waiting. The caller leads.
func (s *appThread) follow(c *conn) leads {
	if c.phase == reading || c.phase == skipping {
		return s.pump(c)
	}
	return stillLeads
}

// carry sends an answer as far as it goes. One that is whole waits for others if there are any.
func carry(s *appThread, c *conn, a *answer.Answer) answer.Verdict {
	v := s.Carry(&c.Conn, a)
	if v != answer.Whole {
		return v
	}
	if l := s.w.crew.borrowLead(s); l != nil { // the thread is inside a call
		l.outbox.Keep(c, &c.Conn, a, s.Now, l.poll.Left() > 0)
		s.w.crew.giveLeadBack()
	}
	return s.CarryOn(&c.Conn, a)
}

// isHead tells HEAD, which gets no body.
func isHead(method []byte) bool { return string(method) == "HEAD" }

// sendKept sends what the outbox holds and goes on with its connections. Their
// next requests, if they are here, wait for their turn: serving one now would put
// a new answer into the outbox that is being emptied. The caller leads.
func (s *appThread) sendKept() {
	answers, rest := s.l.outbox.Send()
	for i := range answers {
		c, left := answers[i].Conn, rest[i].Bytes()
		switch {
		case c == nil:
		case rest[i].Errno != 0:
			s.l.close(c, false)
		case len(left) > 0:
			c.Suspended = answer.Leftover(left)
			s.settle(c, c.Suspended, answer.Blocked)
		default:
			c.notePending()
			s.l.consume(c)
			c.become(reading)
			if c.readable {
				s.l.later(c)
			} else {
				s.rest(c)
			}
		}
	}
}

// settle does with a connection what its answer's verdict asks for. The caller
// leads the loop.
func (s *appThread) settle(c *conn, a *answer.Answer, v answer.Verdict) {
	if room := c.notePending(); room && v == answer.Blocked {
		v = answer.Yielded // the room came before the wait for it began
	}
	switch v {
	case answer.Handled:
		regain(s, c, a)
		return
	case answer.Blocked, answer.Yielded:
		c.become(sending)
		if v == answer.Blocked {
			s.rest(c)
		} else if s.l.register(s, c, true) {
			s.l.later(c)
		}
		return
	case answer.Cut:
		s.l.close(c, a.Reset)
		return
	case answer.Lost:
		s.linger(c)
		return
	}
	if c.Stream != nil && !s.settleStream(c, a) {
		return
	}
	a.Unblock(&c.Conn)
	s.l.consume(c)
	switch {
	case a.Frame.Keep:
		c.become(reading)
	case a.Request.Keep || c.In.Len() > 0 || a.Holder == answer.BothHave:
		// It is the server that ends here: more may be on its way, and an
		// RST for it must not overtake the answer.
		s.linger(c)
	default:
		s.l.close(c, false)
	}
}

// enter lends the thread to the application. method is nil when a suspended
// answer goes on.
func (s *appThread) enter(c *conn, a *answer.Answer, method, path []byte) {
	c.become(serving)
	c.thread = s.n
	s.cur, s.curAns = c, a
	s.StartDeadline(a)
	if method != nil { // else it is shown
		s.show(s.w, a.Started, method, path, c.client.Peer)
	}
	s.releaseLead()
}

// leave takes the thread back with what came of the answer. It reports whether
// the thread leads; if not, the connection has been handed over.
func (s *appThread) leave(c *conn, v answer.Verdict) leads {
	w, a := s.w, s.curAns
	if c.Suspended != nil {
		a = c.Suspended
		if c.req == nil {
			// It was suspended: its request is still wanted for the log.
			c.req, s.req = s.req, w.newRequest()
		}
	}
	s.StopDeadline()
	s.cur, s.curAns = nil, nil
	if a.Quits {
		w.order(quitOrder)
	}
	a.Inside += max(s.Now-a.Resumed, 0)
	s.report(c, a, v)
	s.unshow(w)
	if s.regainLead(c, a, v) == handedOver {
		return handedOver
	}
	s.l.now = max(s.l.now, s.Now)
	if s.l.outbox.Leave(c, v) {
		return stillLeads
	}
	if v != answer.Sent {
		s.sendKept() // what the connection has in the outbox comes before its end
	}
	s.settle(c, a, v)
	return stillLeads
}
