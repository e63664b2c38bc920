package scoreboard

import (
	"net/netip"
	"testing"
)

func TestTheOldestRequestOfSeveralThreadsIsShown(t *testing.T) {
	board, _ := create(t, 1)
	score := board.Slot(0)
	var o Oldest
	var a, b, c Running
	shown := func(want string) {
		t.Helper()
		got := board.Snapshot(0)
		if path := got.Path; path != want {
			t.Errorf("shows %q, want %q", path, want)
		}
	}
	o.Begin(score, &a, 1, []byte("GET"), []byte("/a"), netip.AddrPort{})
	o.Begin(score, &b, 2, []byte("GET"), []byte("/b"), netip.AddrPort{})
	o.Begin(score, &c, 3, []byte("GET"), []byte("/c"), netip.AddrPort{})
	shown("/a")
	o.End(score, &b)
	shown("/a")
	o.End(score, &a)
	shown("/c")
	o.End(score, &b) // an answer that was suspended is over: it is not shown any more
	shown("/c")
	o.End(score, &c)
	shown("")
}
