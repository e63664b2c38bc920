package body

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/spool"
)

// python makes blocks, unless a call keeps it busy.
type python struct {
	busy bool
	made int
	held []*uint64 // reference counts
}

func (p *python) ReleaseGIL()    {}
func (p *python) MayEnter() bool { return !p.busy }
func (p *python) Blocks(old, made []call.BodyBlock) int {
	for i := range made {
		count := uint64(1)
		p.held = append(p.held, &count)
		made[i] = call.BodyBlock{Object: unsafe.Pointer(&count), Mem: &make([]byte, call.BodyBlockSize)[0]}
	}
	p.made += len(made) - len(old)
	return len(made)
}

func newMemory(t *testing.T) *Memory {
	t.Helper()
	files, _ := spool.New(spool.Dirs(t.TempDir(), os.LookupEnv))
	return &Memory{
		Files:  files,
		Limits: Limits{InBuffer: 10 << 10, InBlocks: 300 << 10, Memory: 8 << 20},
		Warn:   func(text string) { t.Log(text) },
	}
}

// receive gathers a body that comes in parts, as a connection does, and returns
// what is behind the request in the buffer.
func receive(t *testing.T, m *Memory, by Thread, r *http1.Request, wire []byte, most int) (*Body, string, *Refusal) {
	t.Helper()
	const head = "HEAD"
	var in loop.Buffer
	in.MakeRoom(&m.Bufs)
	in.Add(copy(in.Room(), head))
	r.HeadLen = len(head)
	b, bad := m.Begin(by, &in, r, &http1.Policy{}, 0)
	for whole := false; bad == nil; {
		if whole, bad = b.Take(by); whole || bad != nil {
			break
		}
		if !in.MakeRoom(&m.Bufs) || len(wire) == 0 {
			t.Fatalf("%d bytes have come and %d are left, and it is not complete", b.Got(), len(wire))
		}
		n := copy(in.Room(), wire[:min(len(wire), 1+rand.IntN(most))])
		in.Add(n)
		wire = wire[n:]
	}
	if bad != nil {
		return b, "", bad
	}
	return b, string(in.Unread()[b.Size():]) + string(wire), nil
}

// text is what the application would read.
func text(t *testing.T, b call.Body) string {
	t.Helper()
	switch {
	case b.FD >= 0:
		p := make([]byte, b.Len)
		if n, err := unix.Pread(b.FD, p, 0); err != nil || int64(n) != b.Len {
			t.Fatalf("%d bytes of the file, %v", n, err)
		}
		return string(p)
	case b.Blocks != nil:
		var all []byte
		for _, block := range b.Blocks {
			all = append(all, block.Bytes()[:min(call.BodyBlockSize, b.Len-int64(len(all)))]...)
		}
		return string(all)
	}
	return string(b.Mem)
}

// chunks frames a body in parts of any size.
func chunks(p []byte) (wire []byte) {
	for len(p) > 0 {
		n := 1 + rand.IntN(min(len(p), 20<<10))
		wire = fmt.Appendf(wire, "%x\r\n%s\r\n", n, p[:n])
		p = p[n:]
	}
	return append(wire, "0\r\n\r\n"...)
}

// However large a body is, however it is framed and in whatever parts it comes,
// it is the one that was sent, it lies where its size says, and what follows it
// stays in the buffer.
func TestBodyIsWhatWasSentWhereverItLies(t *testing.T) {
	for size, where := range map[int]store{0: inBuffer, 1: inBuffer, 9000: inBuffer, 70 << 10: inBlocks, 290 << 10: inBlocks, 600 << 10: inFile} {
		for _, chunked := range []bool{false, true} {
			for _, most := range []int{7000, 100 << 10} {
				m, by := newMemory(t), &python{}
				sent := []byte(strings.Repeat("0123456789abcdef", size/16+1))[:size]
				r, wire := &http1.Request{ContentLength: int64(size)}, sent
				if chunked {
					r, wire = &http1.Request{ContentLength: -1, Chunked: true}, chunks(sent)
				}
				b, rest, bad := receive(t, m, by, r, append(bytes.Clone(wire), "NEXT"...), most)
				if bad != nil {
					t.Fatalf("%d bytes, chunked %v: refused with %d %s", size, chunked, bad.Status, bad.Fault)
				}
				if got := text(t, b.Whole()); got != string(sent) || rest != "NEXT" {
					t.Errorf("%d bytes, chunked %v: %d other bytes, followed by %.20q", size, chunked, len(got), rest)
				}
				if b.store != where {
					t.Errorf("%d bytes, chunked %v: lie in %d, want %d", size, chunked, b.store, where)
				}
				if b.End(); m.Lent() != 0 {
					t.Errorf("%d blocks are still lent", m.Lent())
				}
			}
		}
	}
}

// While a call keeps Python busy there are no blocks: a body goes to a file.
func TestBodyGoesToAFileWhilePythonIsBusy(t *testing.T) {
	m, by := newMemory(t), &python{busy: true}
	b, _, bad := receive(t, m, by, &http1.Request{ContentLength: 100 << 10}, make([]byte, 100<<10), 10<<10)
	if bad != nil || b.store != inFile {
		t.Errorf("%+v, in %d", bad, b.store)
	}
	b.End()
}

func TestBodyThatIsRefused(t *testing.T) {
	m := newMemory(t)
	m.Limits.Body = 1000
	chunked := &http1.Request{ContentLength: -1, Chunked: true}
	b, _, bad := receive(t, m, &python{}, chunked, chunks(make([]byte, 2000)), 500)
	if bad == nil || bad.Status != 413 || bad.Invalid != nil {
		t.Errorf("too large: %+v", bad)
	}
	b.End()
	b, _, bad = receive(t, m, &python{}, &http1.Request{ContentLength: -1, Chunked: true}, []byte("5\r\nhello!!"), 100)
	if bad == nil || bad.Status != 400 || bad.Invalid == nil {
		t.Errorf("bad framing: %+v", bad)
	}
	b.End()
}

// Blocks that the application has kept are not used for others, and all go back
// to Python when they have not been used for a while.
func TestKeptBlocksAreLeftToTheApplication(t *testing.T) {
	m, by := newMemory(t), &python{}
	first, _, _ := receive(t, m, by, &http1.Request{ContentLength: 100 << 10}, make([]byte, 100<<10), 50<<10)
	kept := first.Whole().Blocks[0]
	*(*uint64)(kept.Object)++ // as the application does
	first.End()
	second, _, _ := receive(t, m, by, &http1.Request{ContentLength: 200 << 10}, make([]byte, 200<<10), 50<<10)
	for _, block := range second.Whole().Blocks {
		if block.Object == kept.Object {
			t.Error("a block that the application holds was written to")
		}
	}
	second.End()
	if m.DropBlocks(by, loop.Now()) {
		t.Error("dropped at once")
	}
	if !m.DropBlocks(by, m.NextDrop()) || by.made != 0 {
		t.Errorf("%d blocks were not given back", by.made)
	}
}
