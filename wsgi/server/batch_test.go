package server

import (
	"fmt"
	"io"
	"math/rand"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

// Batch frames pieces as cgo/request_batch.c does.
func (f *fakeApp) Batch(flags uint32, out []byte, end int, left int64, res *call.Result) call.State {
	f.nexts.Add(1)
	f.mu.Lock()
	h, c := res.Handle, f.live[res.Handle]
	f.mu.Unlock()
	*res = call.Result{FD: -1, Total: -1, Iterates: 1}
	b := c.reply.batch
	if b == nil {
		b = &fakeBatch{}
	}
	*b = fakeBatch{out: out, end: end, left: left, chunked: flags&call.Chunked != 0}
	state := f.pieces(c, b, res)
	res.BodyLen, res.Sent, res.Payload, res.Now = uint32(b.end), uint32(b.sent), uint64(b.payload), loop.Now()
	if state == call.Failed {
		f.over(c, h)
	} else {
		f.keep(c, h, res)
	}
	return state
}

type fakeBatch struct {
	out       []byte
	sent, end int
	payload   int
	left      int64
	chunked   bool
}

func (f *fakeApp) pieces(c *fakeCall, b *fakeBatch, res *call.Result) call.State {
	r := &c.reply
	for n := 1; ; n++ {
		if b.sent < b.end {
			meantime := r.meantime
			if meantime == nil {
				meantime = transmitter(c.conn, func(n int) int { return n })
			}
			b.sent += meantime(b.out[b.sent:b.end])
		}
		if r.fail == c.step+1 {
			if b.sent < b.end {
				return call.More // what waits is to be sent first
			}
			return call.Failed
		}
		c.step++
		piece, ok := r.next(c.step)
		switch {
		case !ok:
			return call.Last
		case len(piece) > 16<<10 || len(piece)+20 > len(b.out)-b.end:
			res.Ref, res.RefLen = unsafe.Pointer(unsafe.SliceData(piece)), uint64(len(piece))
			return call.More
		}
		b.put(piece)
		if b.left == 0 || n >= r.brisk {
			return call.More
		}
	}
}

func (b *fakeBatch) put(piece []byte) {
	b.payload += len(piece)
	if b.left >= 0 {
		piece = piece[:min(int64(len(piece)), b.left)]
		b.left -= int64(len(piece))
	}
	at := b.out[:b.end]
	if b.chunked {
		at = fmt.Appendf(at, "%x\r\n%s\r\n", len(piece), piece)
	} else {
		at = append(at, piece...)
	}
	b.end = len(at)
}

// transmitter sends part of what waits, as cgo/transmit.c does.
func transmitter(fd int, part func(n int) int) func([]byte) int {
	return func(waits []byte) int {
		n, _ := loop.Send(fd, waits[:part(len(waits))], false)
		return n
	}
}

// What a client gets does not depend on how many pieces leave together, nor on
// who sends them.
func TestPiecesThatLeaveTogetherAreFramedAsOthers(t *testing.T) {
	dice := rand.New(rand.NewSource(1))
	parts := map[string]func(int) int{
		"nothing": func(int) int { return 0 }, "all": func(n int) int { return n }, "a byte": func(int) int { return 1 },
		"half": func(n int) int { return n / 2 },
	}
	type plan struct {
		brisk int
		part  func(int) int
		sizes []int
	}
	var now atomic.Pointer[plan]
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		p := now.Load()
		reply := fakeReply{status: "200 OK", brisk: p.brisk, meantime: transmitter(r.conn, p.part), next: func(i int) ([]byte, bool) {
			if i > len(p.sizes) {
				return nil, false
			}
			return []byte(strings.Repeat(string(rune('a'+i%26)), p.sizes[i-1])), true
		}}
		if r.path == "/length" {
			total := 0
			for _, n := range p.sizes {
				total += n
			}
			reply.headers = []string{fmt.Sprint("Content-Length: ", total)}
		}
		return reply
	})
	for name, f := range parts {
		for range 30 {
			brisk, sizes := 1+dice.Intn(8), []int(nil)
			for range dice.Intn(30) + 1 {
				sizes = append(sizes, 1+dice.Intn([]int{10, 2000, 20_000}[dice.Intn(3)]))
			}
			now.Store(&plan{brisk, f, sizes})
			var chunks, plain strings.Builder
			for i, n := range sizes {
				text := strings.Repeat(string(rune('a'+(i+1)%26)), n)
				plain.WriteString(text)
				fmt.Fprintf(&chunks, "%x\r\n%s\r\n", n, text)
			}
			chunks.WriteString(http1.LastChunk)
			c := s.dial()
			for path, want := range map[string]string{"/chunked": chunks.String(), "/length": plain.String()} {
				c.send(get(path))
				c.head()
				if got := c.body(len(want)); got != want {
					t.Fatalf("%s, %s sent meanwhile, %d pieces at a time of %v: the body came changed", path, name, brisk, sizes)
				}
			}
			c.send("GET /old HTTP/1.0\r\n\r\n")
			c.head()
			if c.rest() != plain.String() {
				t.Fatalf("HTTP/1.0, %s sent meanwhile, %d pieces at a time of %v: the body came changed", name, brisk, sizes)
			}
		}
	}
}

func TestFirstPieceWaitsWithItsHead(t *testing.T) {
	waits := make(chan string, 1)
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		return fakeReply{status: "200 OK", headers: []string{"A: b"}, next: stream("first", "second"), meantime: func(b []byte) int {
			select {
			case waits <- string(b):
			default:
			}
			return 0
		}}
	})
	c := s.dial()
	c.send(get("/"))
	c.head()
	c.body(len("5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"))
	if got := <-waits; !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "A: b\r\n\r\n5\r\nfirst\r\n") {
		t.Errorf("%q waits", got)
	}
}

// An exception comes after what was yielded before it.
func TestPiecesBeforeAnExceptionAreSent(t *testing.T) {
	for _, brisk := range []int{1, 3} {
		s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
			return fakeReply{status: "200 OK", fail: 4, brisk: brisk, next: func(i int) ([]byte, bool) { return fmt.Append(nil, i), true }}
		})
		c := s.dial()
		c.send(get("/"))
		c.head()
		if got := c.rest(); got != "1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n" {
			t.Errorf("got %q", got)
		}
		s.allClosed()
	}
}

// What write() is given comes behind what was yielded before.
func TestWriteInAnIterator(t *testing.T) {
	for path, want := range map[string]string{
		"/chunked": "1\r\na\r\n1\r\nb\r\n7\r\nwritten\r\n1\r\nc\r\n0\r\n\r\n",
		"/length":  "abwrittenc",
	} {
		for _, sent := range []int{0, 3, 1000} {
			var lengths atomic.Int64
			s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
				b := &fakeBatch{}
				thread := r.app.w.threads[r.app.w.conns[r.conn].thread]
				reply := fakeReply{status: "200 OK", brisk: 9, batch: b, meantime: func([]byte) int { return 0 }}
				reply.next = func(i int) ([]byte, bool) {
					if i == 3 {
						b.sent, _ = loop.Send(r.conn, b.out[:min(sent, b.end)], false)
						lengths.Add(int64(b.payload))
						thread.writes(call.Batch{Sent: uint64(b.sent), End: uint64(b.end), Payload: uint64(b.payload)}, nil, []byte("written"))
						b.sent, b.end, b.payload = 0, 0, 0
						if b.left > 0 {
							b.left -= int64(len("written"))
						}
					}
					return []byte("abc"[min(i, 3)-1 : min(i, 3)]), i < 4
				}
				if r.path == "/length" {
					reply.headers = []string{fmt.Sprint("Content-Length: ", len(want))}
				}
				return reply
			})
			c := s.dial()
			for range 2 {
				c.send(get(path))
				c.head()
				if got := c.body(len(want)); got != want {
					t.Fatalf("%s, %d bytes sent meanwhile: %q", path, sent, got)
				}
			}
			if lengths.Load() == 0 {
				t.Error("nothing was waiting at write()")
			}
		}
	}
}

// A client that reads nothing stops an iterator of many small pieces, too, and
// nothing is lost when it goes on.
func TestSlowReaderHoldsSmallPiecesBack(t *testing.T) {
	const piece, count = 1 << 10, 64 << 10
	var made atomic.Int64
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		if r.path == "/small" {
			return fakeReply{status: "200 OK"}
		}
		return fakeReply{status: "200 OK", headers: []string{fmt.Sprint("Content-Length: ", piece*count)}, brisk: 100,
			next: func(i int) ([]byte, bool) {
				made.Store(int64(i))
				return []byte(strings.Repeat(string(rune('a'+i%26)), piece)), i <= count
			}}
	})
	slow, other := s.dial(), s.dial()
	slow.send(get("/"))
	slow.head()
	for last := int64(-1); last != made.Load(); {
		last = made.Load()
		for range 100 {
			other.send(get("/small"))
			other.head()
		}
	}
	if n := made.Load(); n > count/3 {
		t.Errorf("%d pieces were made for a client that reads nothing", n)
	}
	b := make([]byte, piece)
	for i := 1; i <= count; i++ {
		if _, err := io.ReadFull(slow.r, b); err != nil || b[0] != byte('a'+i%26) || b[piece-1] != b[0] {
			t.Fatalf("piece %d is %.3q: %v", i, b, err)
		}
	}
	slow.send(get("/small"))
	slow.head()
}

func TestThreadsGatherPieces(t *testing.T) {
	for name, f := range map[string]func(*testing.T){
		"framing": TestPiecesThatLeaveTogetherAreFramedAsOthers, "exception": TestPiecesBeforeAnExceptionAreSent,
		"write": TestWriteInAnIterator, "slow reader": TestSlowReaderHoldsSmallPiecesBack,
	} {
		t.Run(name, func(t *testing.T) { withThreads(t, f) })
	}
}
