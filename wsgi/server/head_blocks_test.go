package server

import (
	"testing"

	"gosrv/wsgi/call"
)

// TestNoEnvironMemoSettingIsHeeded serves the same block often with and without
// no_environ_memo: the answers are the same, and only one worker remembers.
func TestNoEnvironMemoSettingIsHeeded(t *testing.T) {
	for _, off := range []bool{false, true} {
		set := testSettings()
		set.NoEnvironCache = off
		s := serveFake(t, set, hello)
		c := s.dial()
		for range 5 {
			c.send(get("/same"))
			wantAnswer(c, "GET /same ")
		}
		s.stop()
		known := false
		for i := range s.headBlocks.table {
			known = known || s.headBlocks.table[i].version != 0
		}
		if known == off {
			t.Errorf("no_environ_memo %t: something is remembered: %t", off, known)
		}
	}
}

// A block is numbered when it comes for the second time, on whatever connection, and never where the
// target says other things of the request than its fields.
func TestHeaderBlocksThatRepeatAreNumbered(t *testing.T) {
	blocks := make(chan call.Block, 1)
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		blocks <- r.block
		return fakeReply{status: "200 OK", headers: []string{"Content-Type: text/plain"}, body: []byte("answer")}
	})
	ask := func(c *client, line string) call.Block {
		t.Helper()
		c.send(line + " HTTP/1.1\r\nHost: a\r\nX-Block: same\r\n\r\n")
		wantAnswer(c, "answer")
		return <-blocks
	}
	a, b := s.dial(), s.dial()
	if first := ask(a, "GET /1"); first.Number != 0 {
		t.Errorf("the first has number %d", first.Number)
	}
	known := ask(b, "GET /2")
	if known.Number == 0 {
		t.Error("the second has no number")
	}
	for _, c := range []*client{a, b, a} {
		if got := ask(c, "GET /more"); got != known {
			t.Errorf("got %+v, want %+v", got, known)
		}
	}
	if got := ask(a, "GET http://b/"); got.Number != 0 {
		t.Errorf("behind another target: %+v", got)
	}
	c := s.dial()
	c.send("GET /other HTTP/1.1\r\nHost: a\r\nX-Block: other\r\n\r\n")
	wantAnswer(c, "answer")
	if got := <-blocks; got.Number != 0 {
		t.Errorf("another block: %+v", got)
	}
}
