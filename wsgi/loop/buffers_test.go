package loop

import "testing"

func TestBuffersThatNobodyNeedsAreGivenUp(t *testing.T) {
	var b Buffers
	lend := func(n int) {
		var lent [][]byte
		for range n {
			lent = append(lent, b.Get(1))
		}
		for _, buf := range lent {
			b.Put(buf)
		}
	}
	lend(swollenAt)
	if b.Swollen() {
		t.Error("a few are no matter")
	}
	lend(20)
	if !b.Swollen() || b.Swollen() {
		t.Error("it is said once that many are free")
	}
	if bytes, again := b.Trim(); bytes != 0 || !again {
		t.Errorf("%d bytes of buffers that were needed just now were given up; again: %t", bytes, again)
	}
	lend(6)
	if bytes, again := b.Trim(); bytes != 14*SmallBuffer || !again || b.Swollen() {
		t.Errorf("%d bytes given up; again: %t", bytes, again)
	}
	lend(2)
	if bytes, again := b.Trim(); bytes != 4*SmallBuffer || again {
		t.Errorf("%d bytes given up; again: %t", bytes, again)
	}
	lend(20)
	if !b.Swollen() {
		t.Error("another load")
	}
}
