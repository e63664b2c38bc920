package cpython

import (
	"gosrv/cgo"
	"gosrv/wsgi/call"
)

// Hub runs the event loop that the shim has made, with an epoll set in it, until a turn has call.ChoreEnded. Main
// thread only. false: it has ended by itself, and the log says why.
func (t *Thread) Hub(epollFD int, l HubLeaves) bool { return t.c.HubRun(epollFD, l) }

// HubLeaves are call.Leaves as C reaches them: a turn leaves what it brings in C's memory.
type HubLeaves interface {
	Turn(t *HubTurn)
	Answer(r call.Ref, state call.State, res *call.Result, out []byte) call.Outcome
	Body(r call.Ref, stream uint64, buf []byte) int
	Socket(r call.Ref, use call.SocketUse, buf []byte) int
	Hints(r call.Ref, head []byte) bool
	End(r call.Ref, state call.State, res *call.Result, head []byte)
}

// HubTurn is what a turn has brought; HubRequest one of its requests, whose strings begin there in the turn's Text and
// Words; HubNumbers the rest of that.
type (
	HubTurn    = cgo.Turn
	HubRequest = cgo.Ready
	HubNumbers = cgo.Numbers
)
