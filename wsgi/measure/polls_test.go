package measure

import "testing"

// A body comes in many reads, and the kernel's answer costs a system call.
func TestTheKernelIsAskedOnceForWhatOneLookHasFound(t *testing.T) {
	asked := 0
	received := func() (int64, bool) { asked++; return 1e6, true }
	var p Polls
	p.Found(1)
	p.Note(1e9)
	p.Found(1)
	p.Note(1e9 + 5*unseen)
	first := p.Since(0, received)
	if again := p.Since(first, received); asked != 1 || again != first || first != 1e9+5*unseen-1e6 {
		t.Errorf("asked %d times: %d, then %d", asked, first, again)
	}
	p.Found(1)
	p.Note(1e9 + 10*unseen)
	if p.Since(first, received); asked != 2 {
		t.Error("what a later look finds has come since")
	}
}
