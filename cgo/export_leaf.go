package cgo

/*
#include "leaf.h"
*/
import "C"

import (
	"unsafe"

	"gosrv/wsgi/call"
)

// What package call shares with C: a number that differs does not compile.
const (
	_ = -(uint(call.Sent) ^ C.LEAF_SENT) - (uint(call.Wait) ^ C.LEAF_WAIT) - (uint(call.Gone) ^ C.LEAF_GONE) - (uint(call.Enough) ^ C.LEAF_ENOUGH)
	_ = -(uint(call.ChoreSignals) ^ C.LEAF_SIGNALS) - (uint(call.ChoreEnded) ^ C.LEAF_ENDED) - (uint(call.ChorePages) ^ C.LEAF_PAGES)
	_ = -(uint(call.ChoreRelax) ^ C.LEAF_RELAX) - (uint(call.ChoreExits) ^ C.LEAF_EXITS) - (uint(call.ChoreReopen) ^ C.LEAF_REOPEN)
	_ = -(unsafe.Sizeof(Ready{}) ^ C.sizeof_leaf_ready) - (unsafe.Sizeof(Turn{}) ^ C.sizeof_leaf_turn) - (unsafe.Offsetof(Turn{}.ThrowList) ^ unsafe.Offsetof(C.leaf_turn{}.throw_list))
)

// Ready mirrors leaf_ready: a request that is complete. Head, Extra and Desc are where its strings
// begin in the turn's Text and Words.
type Ready struct {
	Ref               call.Ref
	Head, Extra, Desc uint32
	_                 uint32
	Numbers           Numbers
}

// Turn mirrors leaf_turn, and lies in C's memory: what one turn of the loop has brought.
type Turn struct {
	Signals              uint32
	Chores               uint32
	Ready, Wakes, Throws int32
	LogFD                int32
	text                 *byte
	words                *uint32
	ReadyList            [C.LEAF_READY]Ready
	WakeList, ThrowList  [C.LEAF_REFS]call.Ref
}

// Text is where the strings of the turn's requests go.
func (t *Turn) Text() []byte { return unsafe.Slice(t.text, C.LEAF_TEXT) }

// Words is where their descriptions go.
func (t *Turn) Words() []uint32 { return unsafe.Slice(t.words, C.LEAF_WORDS) }

// Leaves are the Go ends of leaf calls (leaf.h); call.Leaves says what they do.
type Leaves interface {
	Turn(t *Turn)
	Answer(r call.Ref, state call.State, res *Result, out []byte) call.Outcome
	Body(r call.Ref, stream uint64, buf []byte) int
	Socket(r call.Ref, use call.SocketUse, buf []byte) int
	Hints(r call.Ref, head []byte) bool
	End(r call.Ref, state call.State, res *Result, head []byte)
}

var leaves Leaves

// HubRun is gosrv_hub_run, with l as the Go ends; false means that the traceback was logged.
func (t Thread) HubRun(epollFD int, l Leaves) bool {
	leaves = l
	return C.gosrv_hub_run(t.c, C.int(epollFD)) == 0
}

//export gosrvLeafTurn
func gosrvLeafTurn(t *C.leaf_turn) { leaves.Turn((*Turn)(unsafe.Pointer(t))) }

func ref(place, number C.uint32_t) call.Ref {
	return call.Ref{Place: uint32(place), Number: uint32(number)}
}

//export gosrvLeafAnswer
func gosrvLeafAnswer(place, number C.uint32_t, state C.int, res *C.gosrv_result, out *C.char) C.int {
	r := (*Result)(unsafe.Pointer(res))
	return C.int(leaves.Answer(ref(place, number), call.State(state), r, bytesOf(out, uint64(r.BodyOff+r.BodyLen))))
}

//export gosrvLeafBody
func gosrvLeafBody(place, number C.uint32_t, stream C.uint64_t, to *C.char, room C.uint64_t) C.int64_t {
	return C.int64_t(leaves.Body(ref(place, number), uint64(stream), bytesOf(to, uint64(room))))
}

//export gosrvLeafSocket
func gosrvLeafSocket(place, number C.uint32_t, use C.int, buf *C.char, room C.uint64_t) C.int64_t {
	return C.int64_t(leaves.Socket(ref(place, number), call.SocketUse(use), bytesOf(buf, uint64(room))))
}

//export gosrvLeafHints
func gosrvLeafHints(place, number C.uint32_t, head *C.char, headLen C.uint32_t) C.int {
	if leaves.Hints(ref(place, number), bytesOf(head, uint64(headLen))) {
		return 1
	}
	return 0
}

//export gosrvLeafEnd
func gosrvLeafEnd(place, number C.uint32_t, state C.int, res *C.gosrv_result, head *C.char) {
	r := (*Result)(unsafe.Pointer(res))
	leaves.End(ref(place, number), call.State(state), r, bytesOf(head, uint64(r.HeadLen)))
}
