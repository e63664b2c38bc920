package server

import (
	"golang.org/x/sys/unix"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// serve takes a complete request on: the turn that it came with tells Python of it.
func (h *hub) serve(c *conn) {
	s, w := h.s, h.l
	s.keepRequest(c)
	r := c.req
	method := r.Method.Of(c.In.Unread())
	countRequest(s)
	w.timers.Disarm(&c.timer)
	c.class = classNone
	w.gate.engage(c)
	c.become(serving)
	c.thread = s.n
	g := h.newCall()
	g.c, g.body = c, s.body
	if c.Stream != nil {
		g.body = c.Stream.Whole()
	}
	g.Answer = answer.Answer{Started: w.now, Resumed: w.now, Request: response.Request{
		Head: isHead(method), Old: r.Major == 1 && r.Minor == 0, Stream: c.h2 != nil,
		Keep: r.KeepAlive && w.keepAlive, Kept: w.kept, Server: w.server,
	}}
	c.call, c.Suspended = g, &g.Answer
	h.timed.add(h, g)
	h.ready.put(g)
	if h.relax == 0 {
		h.relax = w.now + runRelax
	}
	h.quiet = false
}

// newCall takes a place.
func (h *hub) newCall() *greenCall {
	h.l.score.SetRunning(int(h.running.Add(1)))
	h.last++
	if n := len(h.free); n > 0 {
		g := h.free[n-1]
		h.free = h.free[:n-1]
		*g = greenCall{ref: call.Ref{Place: g.ref.Place, Number: h.last}}
		return g
	}
	g := &greenCall{ref: call.Ref{Place: uint32(len(h.calls)), Number: h.last}}
	h.calls = append(h.calls, g)
	return g
}

// find is nil for a request that is over.
func (h *hub) find(r call.Ref) *greenCall {
	if int(r.Place) >= len(h.calls) {
		return nil
	}
	if g := h.calls[r.Place]; g.c != nil && g.ref == r {
		return g
	}
	return nil
}

// forget frees the place of a request. Its connection and its answer are the caller's.
func (h *hub) forget(g *greenCall) {
	h.timed.remove(h, g)
	g.c.call, g.c = nil, nil
	h.free = append(h.free, g)
	h.l.score.SetRunning(int(h.running.Add(-1)))
}

// Answer is call.Leaves': one piece.
func (h *hub) Answer(ref call.Ref, state call.State, res *call.Result, out []byte) call.Outcome {
	g := h.find(ref)
	if g == nil || g.gone {
		return call.Gone
	}
	if state == call.Failed {
		h.unblock(g)
		g.gone = true
		return call.Gone
	}
	s, c, a := h.s, g.c, &g.Answer
	s.cur, s.curAns = c, a
	s.Now = loop.Now()
	a.State, a.Result = state, *res
	a.Result.Handle = nil // the call is the greenlet's to close
	if res.Ends != 0 {
		a.Request.Keep, a.Frame.Keep = false, false
	}
	v := s.Piece(&c.Conn, a, out)
	if v == answer.Sent {
		v = s.Flush(&c.Conn, a)
	}
	return h.outcome(g, v)
}

// outcome is what the greenlet is told.
func (h *hub) outcome(g *greenCall, v answer.Verdict) call.Outcome {
	s, c, a := h.s, g.c, &g.Answer
	switch {
	case v == answer.Lost: // with a fault of the application's, which End reports
		g.gone = true
		return call.Gone
	case v == answer.Blocked:
		a.Wait()
		c.become(sending)
		s.rest(c)
		return call.Wait
	case v != answer.Sent:
		g.gone = true
		return call.Gone
	case a.Enough():
		return call.Enough
	}
	return call.Sent
}

// resume goes on with an answer for which there may be room now.
func (h *hub) resume(c *conn) {
	s, g, a := h.s, c.call, c.Suspended
	s.cur, s.curAns = c, a
	v := s.Flush(&c.Conn, a)
	if v == answer.Blocked {
		s.rest(c)
		return
	}
	h.unblock(g)
	g.gone = v != answer.Sent
	h.wakes.put(g)
}

// unblock ends the wait of a connection for room.
func (h *hub) unblock(g *greenCall) {
	c := g.c
	h.l.timers.Disarm(&c.timer)
	c.class = classNone
	if c.phase == sending {
		c.become(serving)
	}
	g.DropRest()
}

// lose is the end of a connection under a request: its greenlet finds out when it looks, or is woken to do so.
func (h *hub) lose(c *conn) {
	g := c.call
	h.unblock(g)
	g.gone = true
	h.wakes.put(g)
	h.waker.Wake()
}

// End is call.Leaves': the application is done with the request.
func (h *hub) End(ref call.Ref, state call.State, res *call.Result, head []byte) {
	g := h.find(ref)
	if g == nil {
		return
	}
	s, w, c := h.s, h.l, g.c
	s.cur, s.curAns = c, &g.Answer
	s.Now = loop.Now()
	w.now = max(w.now, s.Now)
	if res.Held > 0 {
		g.Started = res.Held // until then others were served
	}
	if c.phase == sending {
		h.unblock(g)
		g.gone = true
	}
	if route := res.RouteBytes(); route != nil && s.On() {
		g.Route = append([]byte(nil), route...)
	}
	if state == call.Quit && h.stuck.Load() && !g.Begun && !g.gone && (g.Holder == answer.ServerHas || g.Holder == answer.BothHave) {
		send504(s, c) // this is what has not given way
		g.Lose()
		g.Quits = true
	}
	v := s.Over(&c.Conn, &g.Answer, state, res, head, g.gone)
	kept := g.Answer // what is not sent yet outlives the place
	h.forget(g)
	a := &kept
	c.Suspended = a
	if a.Quits {
		s.w.order(quitOrder)
	}
	a.Inside = max(s.Now-a.Started, 0) // what a greenlet waits for is the application's
	s.report(c, a, v)
	s.cur, s.curAns = nil, nil
	s.settle(c, a, v)
	s.follow(c)
	if h.unfinished() || w.ended() {
		h.waker.Wake()
	}
}

// refuseLate answers 504 in a request's place, where nothing was said.
func (h *hub) refuseLate(g *greenCall) {
	s, c, a := h.s, g.c, &g.Answer
	h.unblock(g)
	if !a.Begun && a.Holder == answer.ServerHas {
		s.cur, s.curAns = c, a
		send504(s, c)
		a.Lose()
	}
	g.gone = true
	h.throws.put(g)
}

// request is the head of a request in the application, and its bytes.
func (g *greenCall) request() (*http1.Request, []byte) {
	return g.c.req, g.c.In.Unread()[:g.c.req.HeadLen]
}

// Body is call.Leaves': bytes of a request's body.
func (h *hub) Body(ref call.Ref, stream uint64, buf []byte) int {
	g := h.find(ref)
	switch {
	case g == nil:
		return -int(unix.ECANCELED)
	case stream == 0:
		return copy(buf, g.body.Mem)
	}
	g.reads = false
	n := h.l.streams.TryRead(stream, buf)
	if n == -int(unix.EAGAIN) && !h.await(g) {
		return -int(unix.ECONNRESET)
	}
	return n
}

// await has the request woken when more of its body comes, or does not in time. false: the connection is gone.
func (h *hub) await(g *greenCall) bool {
	w, c := h.l, g.c
	if g.gone || c.phase == serving && !w.register(h.s, c, c.duplex) {
		return false
	}
	g.reads = true
	if most := w.streamRules.Timeout; most > 0 && c.phase == serving {
		w.timers.Arm(&c.timer, classBody, w.now)
		c.class = classBody
	}
	return true
}

// noticed is an event of a connection whose request is in the application.
func (h *hub) noticed(c *conn) {
	if g := c.call; g != nil && g.reads {
		g.reads = false
		h.l.timers.Disarm(&c.timer)
		c.class = classNone
		h.wakes.put(g)
	}
}

// Socket is call.Leaves': gunicorn.socket is to be used.
func (h *hub) Socket(ref call.Ref, use call.SocketUse, buf []byte) int {
	g := h.find(ref)
	if g == nil || g.gone {
		return -int(unix.ECONNABORTED)
	}
	s := h.s
	s.cur, s.curAns = g.c, &g.Answer
	n := useSocket(s, use, buf)
	if g.Holder != answer.ServerHas {
		h.timed.remove(h, g) // it takes as long as it likes
	}
	return n
}

// Hints is call.Leaves': 103 Early Hints, or trailers.
func (h *hub) Hints(ref call.Ref, head []byte) bool {
	g := h.find(ref)
	if g == nil || g.gone {
		return true
	}
	return hints(h.s, g.c, &g.Answer, head)
}
