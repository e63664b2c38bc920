package caller

import (
	"gosrv/cpython"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

// Hub gives the way to the application where its requests run in greenlets, in an event loop of Python's.
func (c *Caller) Hub(t *cpython.Thread) func(epollFD int, l call.Leaves) bool {
	return func(epollFD int, l call.Leaves) bool {
		h := &hub{Description: Description{c: c}, leaves: leaves{l}}
		return t.Hub(epollFD, h)
	}
}

// hub tells C what the turns of the server's loop bring.
type hub struct {
	leaves
	Description
	turn *cpython.HubTurn // while one lasts
	text int              // what of its Text is used
	word int              // and of its Words
}

// leaves go to the server as they come, but for Turn.
type leaves struct{ server call.Leaves }

func (l leaves) Answer(r call.Ref, state call.State, res *call.Result, out []byte) call.Outcome {
	return l.server.Answer(r, state, res, out)
}
func (l leaves) Body(r call.Ref, stream uint64, buf []byte) int { return l.server.Body(r, stream, buf) }
func (l leaves) Socket(r call.Ref, use call.SocketUse, buf []byte) int {
	return l.server.Socket(r, use, buf)
}
func (l leaves) Hints(r call.Ref, head []byte) bool { return l.server.Hints(r, head) }
func (l leaves) End(r call.Ref, state call.State, res *call.Result, head []byte) {
	l.server.End(r, state, res, head)
}

// Turn is C's: it leaves in t what the server's turn brings.
func (h *hub) Turn(t *cpython.HubTurn) {
	h.turn, h.text, h.word = t, 0, 0
	t.Ready, t.Wakes, t.Throws, t.Chores, t.LogFD = 0, 0, 0, 0, -1
	h.server.Turn(call.Flags(t.Signals), h)
	h.turn = nil
}

// Room is call.Turn's. All that may be decoded or joined of a head is less than four times its length.
func (h *hub) Room(r *call.Request) bool {
	t := h.turn
	return t.Ready == 0 || int(t.Ready) < len(t.ReadyList) && len(t.Text())-h.text > 4*len(r.Head)+4096+r.Client.Secured.Size() &&
		len(t.Words())-h.word > 4*len(r.Parsed.Headers)+64
}

// Request is call.Turn's.
func (h *hub) Request(ref call.Ref, r *call.Request) *http1.Error {
	if bad := h.Describe(r); bad != nil {
		return bad
	}
	t := h.turn
	to := &t.ReadyList[t.Ready]
	*to = cpython.HubRequest{Ref: ref, Head: h.put(r.Head), Extra: h.put(h.packed.Extra), Desc: uint32(h.word)}
	h.word += copy(t.Words()[h.word:], h.packed.Desc)
	to.Numbers = cpython.HubNumbers{
		Stream: r.Body.Stream, BodyLen: r.Body.Len, HeadLen: uint64(len(r.Head)), Base: int32(h.listener.base),
		Headers: int32(h.packed.Headers), BodyFD: int32(r.Body.FD), Connection: int32(r.Socket), Flags: h.flags,
	}
	t.Ready++
	return nil
}

// put copies a string and tells where it is.
func (h *hub) put(p []byte) uint32 {
	at := h.text
	h.text += copy(h.turn.Text()[at:], p)
	return uint32(at)
}

// Wake is call.Turn's.
func (h *hub) Wake(ref call.Ref) bool { return list(ref, &h.turn.Wakes, h.turn.WakeList[:]) }

// Throw is call.Turn's.
func (h *hub) Throw(ref call.Ref) bool { return list(ref, &h.turn.Throws, h.turn.ThrowList[:]) }

func list(ref call.Ref, n *int32, all []call.Ref) bool {
	if int(*n) == len(all) {
		return false
	}
	all[*n] = ref
	*n++
	return true
}

// Do is call.Turn's.
func (h *hub) Do(c call.Chores, logFD int) { h.turn.Chores, h.turn.LogFD = uint32(c), int32(logFD) }
