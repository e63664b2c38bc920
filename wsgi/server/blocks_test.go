package server

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"gosrv/wsgi/call"
)

// inBlocks has bodies of more than 100 KiB lie in blocks.
func inBlocks() Settings {
	set := testSettings()
	set.Bodies.InBuffer = 100 << 10
	return set
}

func post(n int) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", n)
}

// text is n bytes that differ between blocks.
func text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%07d\n", b.Len())
	}
	return b.String()[:n]
}

// places notes what the bodies of requests lay in, and answers with the body.
type places struct {
	mu   sync.Mutex
	seen []string
}

func (p *places) handle(r *fakeRequest) fakeReply {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.spooled:
		p.seen = append(p.seen, "file")
	case r.blocks > 0:
		p.seen = append(p.seen, "blocks")
	case r.body != "":
		p.seen = append(p.seen, "buffer")
	}
	return fakeReply{status: "200 OK", body: []byte(r.body)}
}

func (p *places) want(t *testing.T, want ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if fmt.Sprint(p.seen) != fmt.Sprint(want) {
		t.Errorf("bodies lay in %v, want %v", p.seen, want)
	}
	p.seen = nil
}

func wantBody(t *testing.T, c *client, want string) {
	t.Helper()
	c.head()
	if c.body(len(want)) != want {
		t.Fatalf("a body of %d bytes came back changed", len(want))
	}
}

// What is pipelined behind a body in blocks is served, and each block again used only for its own body.
func TestBlocksAreUsedAgain(t *testing.T) {
	var p places
	s := serveFake(t, inBlocks(), p.handle)
	c := s.dial()
	const size = 3*call.BodyBlockSize + 17
	for i := range 5 {
		body := text(size + i*call.BodyBlockSize/2)
		go io.WriteString(c, post(len(body))+body+get("/next"))
		wantBody(t, c, body)
		c.head()
	}
	p.want(t, "blocks", "blocks", "blocks", "blocks", "blocks")
	if n := s.app.blocks.Load(); n != 16 {
		t.Errorf("%d blocks were made, want one batch", n)
	}
}

// A block that the application holds on to is not written again.
func TestBlocksThatAreHeldAreLeftAlone(t *testing.T) {
	var p places
	var held []call.BodyBlock
	s := serveFake(t, inBlocks(), func(r *fakeRequest) fakeReply {
		for _, b := range r.lent {
			*(*uint32)(b.Object)++
			held = append(held, b)
		}
		return p.handle(r)
	})
	c := s.dial()
	var sent string
	for i := range 6 {
		body := text(20 * call.BodyBlockSize)[i:]
		go io.WriteString(c, post(len(body))+body)
		wantBody(t, c, body)
		sent += body
	}
	p.want(t, "blocks", "blocks", "blocks", "blocks", "blocks", "blocks")
	c.Close()
	s.stop() // the loop has ended: what it holds can be looked at
	var kept strings.Builder
	for i := range 6 {
		left := 20*call.BodyBlockSize - i
		for _, b := range held[20*i : 20*i+20] {
			kept.Write(b.Bytes()[:min(left, call.BodyBlockSize)])
			left -= call.BodyBlockSize
		}
	}
	if kept.String() != sent {
		t.Error("a block that was held has changed")
	}
}

// Bodies that come slowly hold no more memory than all bodies may, and arrive all the same.
func TestManyBodiesGoToFiles(t *testing.T) {
	for _, framing := range []string{"length", "chunked"} {
		t.Run(framing, func(t *testing.T) {
			var p places
			set := inBlocks()
			set.Bodies.Memory = 2 << 20
			s := serveFake(t, set, p.handle)
			body := text(700 << 10)
			request := post(len(body)) + body
			if framing == "chunked" {
				request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, 9000) + "0\r\n\r\n"
			}
			var clients []*client
			for range 12 {
				c := s.dial()
				c.send(request[:len(request)-1])
				clients = append(clients, c)
			}
			for _, c := range clients {
				c.send(request[len(request)-1:])
				wantBody(t, c, body)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if !strings.Contains(fmt.Sprint(p.seen), "file") {
				t.Errorf("bodies lay in %v, want some in files", p.seen)
			}
			if n := s.app.blocks.Load(); n > 2<<20/call.BodyBlockSize {
				t.Errorf("%d blocks were made, which is more than there is memory for", n)
			}
		})
	}
}

// A client that goes away, or is too slow, leaves its blocks to the next.
func TestBlocksOfABrokenBodyComeBack(t *testing.T) {
	var p places
	s := serveFake(t, inBlocks(), p.handle)
	for range 10 {
		c := s.dial()
		c.send(post(1<<20) + text(600<<10))
		c.Close()
	}
	body := text(900 << 10)
	c := s.dial()
	go io.WriteString(c, post(len(body))+body)
	wantBody(t, c, body)
	p.want(t, "blocks")
	s.stop()
	if n := s.mem.Lent(); n != 0 {
		t.Errorf("%d blocks are missing", n)
	}
}

// What was not used for a while goes back to Python.
func TestBlocksAreGivenUp(t *testing.T) {
	var p places
	s := serveFake(t, inBlocks(), p.handle)
	c := s.dial()
	for range 2 {
		body := text(900 << 10)
		go io.WriteString(c, post(len(body))+body)
		wantBody(t, c, body)
		waitFor(t, func() bool { return s.app.blocks.Load() == 0 })
	}
	p.want(t, "blocks", "blocks")
}
