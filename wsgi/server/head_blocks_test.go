package server

import (
	"testing"

	"gosrv/wsgi/http1"
)

// TestNoEnvironMemoSettingIsHeeded serves the same header block often with and without no_environ_memo: the
// answers are the same, and only in one worker the application's side hears that it is the same.
func TestNoEnvironMemoSettingIsHeeded(t *testing.T) {
	for _, off := range []bool{false, true} {
		set := testSettings()
		set.NoEnvironCache = off
		blocks := make(chan http1.Block, 1)
		s := serveFake(t, set, func(r *fakeRequest) fakeReply {
			blocks <- r.block
			return hello(r)
		})
		numbered := 0
		for range 2 {
			c := s.dial()
			for range 3 {
				c.send(get("/same"))
				wantAnswer(c, "GET /same ")
				if (<-blocks).Number != 0 {
					numbered++
				}
			}
		}
		if want := map[bool]int{false: 5, true: 0}[off]; numbered != want { // the first of six is new
			t.Errorf("no_environ_memo %t: %d requests have a known block, want %d", off, numbered, want)
		}
	}
}
