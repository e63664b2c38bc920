package cgo

/*
#include <pthread.h>
#include "gosrv.h"

// pthread_t is a number in glibc and a pointer in musl; Python names threads by it as a number in both.
static uint64_t thread_ident(void) { return (uint64_t)(uintptr_t)pthread_self(); }

#cgo noescape gosrv_app_call
#cgo noescape gosrv_call_next
#cgo noescape gosrv_call_batch
#cgo noescape gosrv_outbox_put
#cgo nocallback gosrv_outbox_put
#cgo noescape gosrv_outbox_send
#cgo nocallback gosrv_outbox_send
*/
import "C"

import (
	"syscall"
	"unsafe"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

// Thread is the C side's handle of an attached thread. It is never freed.
type Thread struct {
	c   *C.gosrv_thread
	res *Result // in C memory; each step of a call overwrites it
}

func threadOf(c *C.gosrv_thread) Thread {
	return Thread{c, (*Result)(unsafe.Pointer(C.gosrv_thread_result(c)))}
}

// What package call shares with C, and what it must be like: a number that differs does not compile.
type (
	Result = call.Result // gosrv_result; cgotest checks that both have the same layout
	Word   = call.Word   // gosrv_word
	Block  = call.BodyBlock
	Unsent = call.Unsent
)

const (
	_ = -(uint(call.Done) ^ C.GOSRV_DONE) - (uint(call.Last) ^ C.GOSRV_LAST) - (uint(call.More) ^ C.GOSRV_MORE)
	_ = -(uint(call.File) ^ C.GOSRV_FILE) - (uint(call.Grow) ^ C.GOSRV_GROW) - (uint(call.Failed) ^ C.GOSRV_FAILED)
	_ = -(uint(call.Quit) ^ C.GOSRV_QUIT) - (uint(call.Handled) ^ C.GOSRV_HANDLED)
	_ = -(uint(call.SentAll) ^ C.GOSRV_SENT_ALL) - (uint(call.Chunked) ^ C.GOSRV_CHUNKED)
	_ = -(uint(call.SocketLook) ^ C.GOSRV_SOCKET_LOOK) - (uint(call.SocketRead) ^ C.GOSRV_SOCKET_READ) - (uint(call.SocketTake) ^ C.GOSRV_SOCKET_TAKE)
	_ = -(uint(call.SocketSecure) ^ C.GOSRV_SOCKET_SECURE) - (uint(call.SocketTunnel) ^ C.GOSRV_SOCKET_TUNNEL)
	_ = -(uint(call.DrainRequested) ^ C.GOSRV_SIG_DRAIN) - (uint(call.QuitRequested) ^ C.GOSRV_SIG_QUIT)
	_ = -(uint(call.BodyBlockSize) ^ C.GOSRV_BLOCK) - (uint(http1.BlockNumbers) ^ C.GOSRV_CACHED)
	_ = -(unsafe.Sizeof(Block{}) ^ C.sizeof_gosrv_block) - (unsafe.Offsetof(Block{}.Mem) ^ unsafe.Offsetof(C.gosrv_block{}.mem))
	_ = -(unsafe.Sizeof(Unsent{}) ^ C.sizeof_gosrv_unsent) - (unsafe.Offsetof(Unsent{}.Errno) ^ unsafe.Offsetof(C.gosrv_unsent{}.error))
	_ = -(unsafe.Sizeof(Word{}) ^ C.sizeof_gosrv_word) - (unsafe.Offsetof(Word{}.Requests) ^ unsafe.Offsetof(C.gosrv_word{}.requests))
)

// Numbers mirrors gosrv_request; cgotest checks that both have the same layout.
type Numbers struct {
	Stream             uint64
	BodyLen            int64
	Cap, HeadLen       uint64
	Base, Headers      int32
	BodyFD, Connection int32
	Flags              uint32
}

// Request is one request for AppCall: its numbers and its bytes. The body is Mem, or Blocks, or what
// the numbers name.
type Request struct {
	Numbers
	Head, Extra []byte
	Desc        []uint32
	Mem         []byte
	Blocks      []Block
	Out         []byte // for the response head and a small body
}

// WorkerWord is gosrv_worker_word.
func WorkerWord() *Word { return (*Word)(unsafe.Pointer(C.gosrv_worker_word())) }

// Outcomes of AppCall and CallNext, as in gosrv.h.
const (
	Done   = C.GOSRV_DONE
	Last   = C.GOSRV_LAST
	More   = C.GOSRV_MORE
	File   = C.GOSRV_FILE
	Grow   = C.GOSRV_GROW
	Failed = C.GOSRV_FAILED
	Quit   = C.GOSRV_QUIT

	Handled = C.GOSRV_HANDLED
)

// Flags of AppCall and CallNext, and bits of SignalsRun.
const (
	HTTPS     = C.GOSRV_HTTPS
	SentAll   = C.GOSRV_SENT_ALL
	Proxied   = C.GOSRV_PROXIED
	Secured   = C.GOSRV_SECURED
	HTTP2     = C.GOSRV_HTTP2
	CachedNew = C.GOSRV_CACHED_NEW
	KeepGIL   = C.GOSRV_KEEP_GIL
	Blocks    = C.GOSRV_BLOCKS
	Chunked   = C.GOSRV_CHUNKED
	Cached    = C.GOSRV_CACHED

	CachedShift = C.GOSRV_CACHED_SHIFT

	SignalDrain = C.GOSRV_SIG_DRAIN
	SignalQuit  = C.GOSRV_SIG_QUIT
)

// BlockSize is the length of a Block's bytes.
const BlockSize = C.GOSRV_BLOCK

// Here and not in the worker's entry: what the initialisation of packages sets up later is
// not of Go's start any more.
func init() { C.gosrv_signals_return() }

// WorkerFD is gosrv_worker_fd: the control channel, -1 in the master.
func WorkerFD() int { return int(C.gosrv_worker_fd()) }

// MainAttach is gosrv_main_attach; ok is false without an interpreter.
func MainAttach() (t Thread, ok bool) {
	c := C.gosrv_main_attach()
	if c == nil {
		return Thread{}, false
	}
	return threadOf(c), true
}

// AppCall is gosrv_app_call. All that r has is lent for the call only; Out must not be empty. Cap, HeadLen and, with
// Blocks, the flag for them are set here.
func (t Thread) AppCall(r *Request, res *Result) int {
	mem := charsOf(r.Mem)
	if len(r.Blocks) > 0 {
		mem = (*C.char)(unsafe.Pointer(blocksOf(r.Blocks)))
		r.Flags |= Blocks
	}
	r.Cap, r.HeadLen = uint64(len(r.Out)), uint64(len(r.Head))
	state := C.gosrv_app_call(t.c, (*C.gosrv_request)(unsafe.Pointer(&r.Numbers)), charsOf(r.Head), charsOf(r.Extra),
		(*C.uint32_t)(unsafe.Pointer(unsafe.SliceData(r.Desc))), mem, charsOf(r.Out))
	*res = *t.res
	return int(state)
}

// Blocks is gosrv_blocks; it gives the number made.
func (t Thread) Blocks(old, made []Block) int {
	return int(C.gosrv_blocks(t.c, blocksOf(old), C.int(len(old)), blocksOf(made), C.int(len(made))))
}

func blocksOf(b []Block) *C.gosrv_block {
	return (*C.gosrv_block)(unsafe.Pointer(unsafe.SliceData(b)))
}

// HeapTrim gives the system what the C library's free() has kept. It takes milliseconds.
func HeapTrim() { C.gosrv_heap_trim() }

// GILRelease is gosrv_gil_release.
func (t Thread) GILRelease() { C.gosrv_gil_release(t.c) }

// CallNext is gosrv_call_next for res.Handle.
func (t Thread) CallNext(flags uint32, out []byte, res *Result) int {
	state := C.gosrv_call_next(t.c, res.Handle, C.uint32_t(flags), charsOf(out), C.uint64_t(len(out)))
	*res = *t.res
	return int(state)
}

// CallBatch is gosrv_call_batch for res.Handle; out[:end] waits to be sent.
func (t Thread) CallBatch(flags uint32, out []byte, end int, left int64, res *Result) int {
	state := C.gosrv_call_batch(t.c, res.Handle, C.uint32_t(flags), charsOf(out), C.uint64_t(len(out)), C.uint64_t(end), C.int64_t(left))
	*res = *t.res
	return int(state)
}

// CallFinish is gosrv_call_finish for res.Handle.
func (t Thread) CallFinish(res *Result) {
	C.gosrv_call_finish(t.c, res.Handle)
	res.Notes, res.NotesLen = t.res.Notes, t.res.NotesLen
}

// Outbox is a gosrv_outbox.
type Outbox struct{ c *C.gosrv_outbox }

// OutboxNew is gosrv_outbox_new; false: out of memory.
func OutboxNew() (Outbox, bool) {
	c := C.gosrv_outbox_new()
	return Outbox{c}, c != nil
}

// Put is gosrv_outbox_put.
func (o Outbox) Put(fd int, answer []byte) bool {
	return C.gosrv_outbox_put(o.c, C.int(fd), charsOf(answer), C.uint64_t(len(answer))) != 0
}

// Send is gosrv_outbox_send for an outbox of n answers.
func (o Outbox) Send(n int) []Unsent {
	return unsafe.Slice((*Unsent)(unsafe.Pointer(C.gosrv_outbox_send(o.c))), n)
}

// BaseNew is gosrv_base_new; kv holds n NUL-terminated keys and values in turn.
func (t Thread) BaseNew(kv []byte, n int) int {
	return int(C.gosrv_base_new(t.c, charsOf(kv), C.int(n)))
}

// SignalsSettle is gosrv_signals_settle.
func (t Thread) SignalsSettle() { C.gosrv_signals_settle(t.c) }

// SignalsRun is gosrv_signals_run.
func (t Thread) SignalsRun() uint32 { return uint32(C.gosrv_signals_run(t.c)) }

// WakeupFD is gosrv_wakeup_fd.
func WakeupFD() int { return int(C.gosrv_wakeup_fd()) }

// ThreadsStart is gosrv_threads_start; false means that the traceback was logged.
func (t Thread) ThreadsStart(n int, name string) bool {
	text := append([]byte(name), 0)
	return C.gosrv_threads_start(t.c, C.int(n), charsOf(text)) == 0
}

// FDTable is gosrv_fd_table as a slice over C memory that lives as long as the process.
func FDTable() []uint8 {
	var size C.int
	table := C.gosrv_fd_table(&size)
	return unsafe.Slice((*uint8)(unsafe.Pointer(table)), int(size))
}

// Counters is gosrv_counters.
func (t Thread) Counters() (taken, dropped, crossings uint64) {
	var a, b, c C.uint64_t
	C.gosrv_counters(t.c, &a, &b, &c)
	return uint64(a), uint64(b), uint64(c)
}

// Getenv is gosrv_getenv.
func (t Thread) Getenv(name string) (value string, set bool) {
	key, out := append([]byte(name), 0), make([]byte, 256)
	for {
		n := int(C.gosrv_getenv(t.c, charsOf(key), charsOf(out), C.uint64_t(len(out))))
		switch {
		case n < 0:
			return "", false
		case n <= len(out):
			return string(out[:n]), true
		}
		out = make([]byte, n)
	}
}

// Stacks is gosrv_stacks.
func Stacks(gil bool, turn *int32) int {
	take := C.int(0)
	if gil {
		take = 1
	}
	return int(C.gosrv_stacks(take, (*C.int32_t)(turn)))
}

// TwoCounts is gosrv_two_counts.
func TwoCounts() bool { return C.gosrv_two_counts() != 0 }

// ThreadIdent is the calling thread as Python's stacks name it (threading.get_ident).
func ThreadIdent() uint64 { return uint64(C.thread_ident()) }

// LogsReopen is gosrv_logs_reopen.
func (t Thread) LogsReopen(fd int) { C.gosrv_logs_reopen(t.c, C.int(fd)) }

// LogsRoute is gosrv_logs_route.
func (t Thread) LogsRoute() (fd int, python uint32, level int) {
	var bits C.uint32_t
	var least C.int
	fd = int(C.gosrv_logs_route(t.c, &bits, &least))
	return fd, uint32(bits), int(least)
}

// DropPages is gosrv_drop_pages.
func (t Thread) DropPages() { C.gosrv_drop_pages(t.c) }

// Refork is gosrv_refork.
func (t Thread) Refork(control, library int) syscall.Errno {
	return syscall.Errno(-C.gosrv_refork(t.c, C.int(control), C.int(library)))
}

// Exit is gosrv_exit; it does not return.
func (t Thread) Exit(code, deadlineMillis int) {
	C.gosrv_exit(t.c, C.int(code), C.int(deadlineMillis))
}

func charsOf(b []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))) }
