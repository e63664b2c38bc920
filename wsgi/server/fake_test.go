package server

import (
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

// fakeRequest is what a fake application sees.
type fakeRequest struct {
	method, path, uri string
	block             http1.Block
	head, body        string
	remote            string    // REMOTE_ADDR and REMOTE_PORT
	proxy             [3]string // PROXY_PROTOCOL, PROXY_ADDR, PROXY_PORT
	spooled           bool
	blocks            int              // that the body lies in
	lent              []call.BodyBlock // these
	app               *fakeApp
	thread            *appThread // that serves it
	out               []byte
	conn              int
	stream            uint64 // of a body that still comes
}

// fakeReply is what it answers. With next, pieces come one at a time.
type fakeReply struct {
	status   string
	headers  []string // "Name: value"
	body     []byte
	next     func(i int) ([]byte, bool) // pieces until false
	fail     int                        // with next: the step that raises, from 1
	brisk    int                        // with next: so many pieces come quickly, one after another
	meantime func(waits []byte) int     // before each of them: how much of what waits has left; nil: all
	batch    *fakeBatch                 // with next: to look into what waits
	raise    bool                       // fails before start_response
	file     *os.File
	off, n   int64
	big      bool // the body stays in "Python's" memory
	closed   func()
	ends     bool       // the call ends with state, without a head
	state    call.State // of ends
	left     int        // of ends: Result.FD
}

// fakeApp stands for the Python side: it packs and slices as cgo does.
type fakeApp struct {
	handle  func(*fakeRequest) fakeReply
	quick   atomic.Pointer[func(out []byte, res *call.Result) call.State] // instead, without allocations
	w       *eventLoop
	calls   atomic.Int64
	nexts   atomic.Int64
	closes  atomic.Int64
	signals atomic.Uint32
	kept    atomic.Int64 // calls that returned with the GIL
	holding atomic.Bool
	blocks  atomic.Int64 // made and not given back
	dropped atomic.Int64 // calls of DropPages
	live    map[unsafe.Pointer]*fakeCall
	mu      sync.Mutex

	releasing sync.Mutex // holds threads up that are outside the application
}

type fakeCall struct {
	reply fakeReply
	step  int
	began bool
	left  []byte
	conn  int
}

// fakeDoor is one thread's.
type fakeDoor struct {
	*fakeApp
	fakeDescription
	thread int
}

func (f *fakeApp) door(thread int) *fakeDoor { return &fakeDoor{fakeApp: f, thread: thread} }

func (f *fakeDoor) Call(call *call.Request, res *call.Result) call.State {
	return f.call(f.thread, call, res)
}

func (f *fakeApp) call(thread int, r *call.Request, res *call.Result) call.State {
	body, out := r.Body, r.Out
	f.calls.Add(1)
	f.holding.Store(r.KeepGIL)
	if r.KeepGIL {
		f.kept.Add(1)
	}
	if quick := f.quick.Load(); quick != nil {
		f.closes.Add(1)
		return (*quick)(out, res)
	}
	return f.answer(f.see(thread, r, body), res)
}

// see copies what a handler may look at.
func (f *fakeApp) see(thread int, sent *call.Request, body *call.Body) *fakeRequest {
	parsed, head := sent.Parsed, sent.Head
	r := &fakeRequest{
		thread: f.w.threads[thread], method: string(parsed.Method.Of(head)), uri: string(parsed.Target.Of(head)), head: string(head),
		block: sent.Block, app: f, out: sent.Out, conn: sent.Socket, stream: body.Stream,
	}
	r.path, _ = url.PathUnescape(string(parsed.Path.Of(head)))
	if peer := sent.Client.Peer; peer.IsValid() {
		r.remote = fmt.Sprintf("%s %d", peer.Addr(), peer.Port())
	}
	if said := sent.Client.Proxied; said != nil {
		r.proxy[0] = said.Protocol
		if to := said.Destination; to.IsValid() {
			r.proxy[1], r.proxy[2] = to.Addr().String(), strconv.Itoa(int(to.Port()))
		}
	}
	for _, b := range body.Blocks {
		r.body += string(b.Bytes()[:min(call.BodyBlockSize, int(body.Len)-len(r.body))])
		r.blocks, r.lent = r.blocks+1, body.Blocks
	}
	if body.FD >= 0 {
		b := make([]byte, body.Len)
		n, _ := unix.Pread(body.FD, b, 0)
		r.body, r.spooled = string(b[:n]), true
	} else if r.blocks == 0 {
		r.body = string(body.Mem)
	}
	return r
}

// answer runs the handler.
func (f *fakeApp) answer(r *fakeRequest, res *call.Result) call.State {
	*res = call.Result{FD: -1, Total: -1}
	reply := f.handle(r)
	if reply.ends {
		f.closes.Add(1)
		res.Now, res.FD = loop.Now(), int32(reply.left)
		return reply.state
	}
	if reply.raise {
		res.Now = loop.Now()
		return call.Failed
	}
	return f.step(&fakeCall{reply: reply, conn: r.conn}, nil, 0, r.out, res)
}

func (f *fakeApp) pack(r *fakeReply) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(r.status)))
	b = append(b, r.status...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.headers)))
	for _, h := range r.headers {
		name, value, _ := strings.Cut(h, ": ")
		b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
		b = append(append(b, name...), value...)
	}
	return b
}

// live or over: a call that goes on gets a handle.
func (f *fakeApp) keep(c *fakeCall, h unsafe.Pointer, res *call.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live == nil {
		f.live = map[unsafe.Pointer]*fakeCall{}
	}
	if h == nil {
		h = unsafe.Pointer(c)
	}
	f.live[h] = c
	res.Handle = h
}

func (f *fakeApp) over(c *fakeCall, h unsafe.Pointer) {
	f.mu.Lock()
	delete(f.live, h)
	f.mu.Unlock()
	f.closes.Add(1)
	if c.reply.closed != nil {
		c.reply.closed()
	}
}

func (f *fakeApp) step(c *fakeCall, h unsafe.Pointer, flags uint32, out []byte, res *call.Result) call.State {
	*res = call.Result{FD: -1, Total: -1, Now: loop.Now()}
	r := &c.reply
	if c.step++; r.fail == c.step {
		f.over(c, h)
		return call.Failed
	}
	if !c.began && r.status != "" {
		head := f.pack(r)
		if len(head) > len(out) {
			c.step--
			res.Need = uint64(len(head))
			f.keep(c, h, res)
			return call.Grow
		}
		res.HeadLen = uint32(copy(out, head))
		res.BodyOff = res.HeadLen
		c.began = true
	}
	switch {
	case r.file != nil:
		res.FD, res.FileOff, res.FileLen, res.Total = int32(r.file.Fd()), r.off, r.n, r.n
		f.keep(c, h, res)
		return call.File
	case r.next != nil:
		piece, ok := r.next(c.step)
		if !ok && flags&call.SentAll != 0 {
			f.over(c, h)
			return call.Done
		}
		if !ok {
			f.keep(c, h, res)
			return call.Last
		}
		res.BodyLen, res.Iterates = uint32(copy(out[res.BodyOff:], piece)), 1
		f.keep(c, h, res)
		return call.More
	}
	res.Total = int64(len(r.body))
	if r.big || len(r.body) > len(out)-int(res.BodyOff) {
		c.left = r.body
		res.Ref, res.RefLen = unsafe.Pointer(unsafe.SliceData(r.body)), uint64(len(r.body))
		f.keep(c, h, res)
		return call.Last
	}
	res.BodyLen = uint32(copy(out[res.BodyOff:], r.body))
	f.closes.Add(1)
	if r.closed != nil {
		r.closed()
	}
	return call.Done
}

func (f *fakeApp) Next(flags uint32, out []byte, res *call.Result) call.State {
	f.nexts.Add(1)
	f.holding.Store(false)
	f.mu.Lock()
	h, c := res.Handle, f.live[res.Handle]
	f.mu.Unlock()
	return f.step(c, h, flags, out, res)
}

func (f *fakeApp) Finish(res *call.Result) {
	f.mu.Lock()
	c := f.live[res.Handle]
	f.mu.Unlock()
	f.over(c, res.Handle)
	res.Handle, res.Ref = nil, nil
}

func (f *fakeApp) Blocks(old, made []call.BodyBlock) int {
	f.holding.Store(false)
	f.blocks.Add(int64(len(made) - len(old)))
	for i := range made {
		count := uint64(1)
		made[i] = call.BodyBlock{Object: unsafe.Pointer(&count), Mem: &make([]byte, call.BodyBlockSize)[0]}
	}
	return len(made)
}

func (f *fakeApp) DropPages() { f.holding.Store(false); f.dropped.Add(1) }

func (f *fakeApp) Release() {
	f.releasing.Lock()
	defer f.releasing.Unlock()
	f.holding.Store(false)
}

func (f *fakeApp) RunSignals() call.Flags { return call.Flags(f.signals.Swap(0)) }

// open is the number of calls not closed.
func (f *fakeApp) open() int64 { return f.calls.Load() - f.closes.Load() }

// writes is start_response's write() in a thread.
func (s *appThread) writes(batch call.Batch, head, data []byte) bool {
	return s.Write(&s.cur.Conn, s.curAns, batch, head, data)
}

// hint is wsgi.early_hints in it.
func (s *appThread) hint(head []byte) bool { return s.Hints(&s.cur.Conn, s.curAns, head) }
