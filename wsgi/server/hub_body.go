package server

import (
	"golang.org/x/sys/unix"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/call"
)

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

// Hints is call.Leaves': 103 Early Hints.
func (h *hub) Hints(ref call.Ref, head []byte) bool {
	g := h.find(ref)
	if g == nil || g.gone {
		return true
	}
	return h.s.Hints(&g.c.Conn, &g.Answer, head)
}
