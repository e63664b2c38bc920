package server

import (
	"testing"
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
		for i := range s.environCache.table {
			known = known || s.environCache.table[i].version != 0
		}
		if known == off {
			t.Errorf("no_environ_memo %t: something is remembered: %t", off, known)
		}
	}
}
