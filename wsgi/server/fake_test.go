package server

import (
	"encoding/binary"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/loop"
)

// fakeRequest is what a fake application sees.
type fakeRequest struct {
	method, path, uri string
	head, body        string
	remote            string    // REMOTE_ADDR and REMOTE_PORT
	proxy             [3]string // PROXY_PROTOCOL, PROXY_ADDR, PROXY_PORT
	spooled           bool
	blocks            int             // that the body lies in
	lent              []cpython.Block // these
	app               *fakeApp
	slot              *slot // that serves it
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
	ends     bool          // the call ends with state, without a head
	state    cpython.State // of ends
	left     int           // of ends: Result.FD
}

// fakeApp stands for the Python side: it packs and slices as cgo does.
type fakeApp struct {
	handle  func(*fakeRequest) fakeReply
	quick   atomic.Pointer[func(out []byte, res *cpython.Result) cpython.State] // instead, without allocations
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

// fakeThread is the door of one thread of a pool.
type fakeThread struct {
	*fakeApp
	slot int
}

func (f fakeThread) Call(call *cpython.Request, res *cpython.Result) cpython.State {
	return f.call(f.slot, call, res)
}

func (f *fakeApp) Call(call *cpython.Request, res *cpython.Result) cpython.State {
	return f.call(0, call, res)
}

func (f *fakeApp) call(slot int, call *cpython.Request, res *cpython.Result) cpython.State {
	head, extra, desc, flags, body, fd, out := call.Head, call.Extra, call.Desc, call.Flags, call.Body, call.Connection, call.Out
	f.calls.Add(1)
	keep := flags&cpython.KeepGIL != 0
	f.holding.Store(keep)
	if keep {
		f.kept.Add(1)
	}
	if quick := f.quick.Load(); quick != nil {
		f.closes.Add(1)
		return (*quick)(out, res)
	}
	at := func(i int) string {
		off, n := desc[i], desc[i+1]
		if n == environ.Absent {
			return ""
		}
		if off&environ.InExtra != 0 {
			off &^= environ.InExtra
			return string(extra[off : off+n])
		}
		return string(head[off : off+n])
	}
	text := func(s environ.Slot) string { return at(2 * int(s)) }
	r := &fakeRequest{slot: f.w.slots[slot], remote: text(environ.RemoteAddr) + " " + text(environ.RemotePort),
		method: text(environ.RequestMethod), path: text(environ.PathInfo), uri: text(environ.RawURI), head: string(head), app: f, out: out, conn: fd, stream: body.Stream}
	for i := range r.proxy {
		if flags&cpython.Proxied != 0 {
			r.proxy[i] = at(2*int(environ.NSlots) + 4*call.Headers + 2*i)
		}
	}
	for _, b := range body.Blocks {
		r.body += string(b.Bytes()[:min(cpython.BlockSize, int(body.Len)-len(r.body))])
		r.blocks, r.lent = r.blocks+1, body.Blocks
	}
	if body.FD >= 0 {
		b := make([]byte, body.Len)
		n, _ := unix.Pread(body.FD, b, 0)
		r.body, r.spooled = string(b[:n]), true
	} else if r.blocks == 0 {
		r.body = string(body.Mem)
	}
	*res = cpython.Result{FD: -1, Total: -1}
	reply := f.handle(r)
	if reply.ends {
		f.closes.Add(1)
		res.Now, res.FD = loop.Now(), int32(reply.left)
		return reply.state
	}
	if reply.raise {
		res.Now = loop.Now()
		return cpython.Failed
	}
	return f.step(&fakeCall{reply: reply, conn: fd}, nil, flags, out, res)
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
func (f *fakeApp) keep(c *fakeCall, h unsafe.Pointer, res *cpython.Result) {
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

func (f *fakeApp) step(c *fakeCall, h unsafe.Pointer, flags uint32, out []byte, res *cpython.Result) cpython.State {
	*res = cpython.Result{FD: -1, Total: -1, Now: loop.Now()}
	r := &c.reply
	if c.step++; r.fail == c.step {
		f.over(c, h)
		return cpython.Failed
	}
	if !c.began && r.status != "" {
		head := f.pack(r)
		if len(head) > len(out) {
			c.step--
			res.Need = uint64(len(head))
			f.keep(c, h, res)
			return cpython.Grow
		}
		res.HeadLen = uint32(copy(out, head))
		res.BodyOff = res.HeadLen
		c.began = true
	}
	switch {
	case r.file != nil:
		res.FD, res.FileOff, res.FileLen, res.Total = int32(r.file.Fd()), r.off, r.n, r.n
		f.keep(c, h, res)
		return cpython.File
	case r.next != nil:
		piece, ok := r.next(c.step)
		if !ok && flags&cpython.SentAll != 0 {
			f.over(c, h)
			return cpython.Done
		}
		if !ok {
			f.keep(c, h, res)
			return cpython.Last
		}
		res.BodyLen, res.Iterates = uint32(copy(out[res.BodyOff:], piece)), 1
		f.keep(c, h, res)
		return cpython.More
	}
	res.Total = int64(len(r.body))
	if r.big || len(r.body) > len(out)-int(res.BodyOff) {
		c.left = r.body
		res.Ref, res.RefLen = unsafe.Pointer(unsafe.SliceData(r.body)), uint64(len(r.body))
		f.keep(c, h, res)
		return cpython.Last
	}
	res.BodyLen = uint32(copy(out[res.BodyOff:], r.body))
	f.closes.Add(1)
	if r.closed != nil {
		r.closed()
	}
	return cpython.Done
}

func (f *fakeApp) Next(flags uint32, out []byte, res *cpython.Result) cpython.State {
	f.nexts.Add(1)
	f.holding.Store(false)
	f.mu.Lock()
	h, c := res.Handle, f.live[res.Handle]
	f.mu.Unlock()
	return f.step(c, h, flags, out, res)
}

func (f *fakeApp) Finish(res *cpython.Result) {
	f.mu.Lock()
	c := f.live[res.Handle]
	f.mu.Unlock()
	f.over(c, res.Handle)
	res.Handle, res.Ref = nil, nil
}

func (f *fakeApp) Blocks(old, made []cpython.Block) int {
	f.holding.Store(false)
	f.blocks.Add(int64(len(made) - len(old)))
	for i := range made {
		count := uint64(1)
		made[i] = cpython.Block{Object: unsafe.Pointer(&count), Mem: &make([]byte, cpython.BlockSize)[0]}
	}
	return len(made)
}

func (f *fakeApp) DropPages() { f.holding.Store(false); f.dropped.Add(1) }

func (f *fakeApp) Release() {
	f.releasing.Lock()
	defer f.releasing.Unlock()
	f.holding.Store(false)
}

func (f *fakeApp) RunSignals() cpython.Flags { return cpython.Flags(f.signals.Swap(0)) }

// open is the number of calls not closed.
func (f *fakeApp) open() int64 { return f.calls.Load() - f.closes.Load() }
