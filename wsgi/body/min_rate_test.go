package body

import (
	"testing"
	"time"
)

func TestLeastRateOfATransfer(t *testing.T) {
	const window, sec = 30 * time.Second, int64(time.Second)
	for name, x := range map[string]struct {
		now, done int64
		slow      bool
	}{
		"nothing yet, but early":      {29 * sec, 0, false},
		"nothing in a window":         {30 * sec, 0, true},
		"too little in a window":      {30 * sec, 14_999, true},
		"just enough":                 {30 * sec, 15_000, false},
		"enough, had it come earlier": {60 * sec, 15_000, true},
	} {
		p := MinRate{}
		if p.Start(0, 0); p.TooSlow(x.now, x.done, window) != x.slow {
			t.Errorf("%s: slow is %v", name, !x.slow)
		}
	}
	p := MinRate{}
	p.Start(0, 0)
	if p.TooSlow(30*sec, 1<<20, window) || p.TooSlow(59*sec, 1<<20, window) || !p.TooSlow(60*sec, 1<<20+14_999, window) {
		t.Error("what came in one window counts in the next")
	}
}
