package scoreboard

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func newClaims(t *testing.T, slots int) (*Claims, int) {
	t.Helper()
	fd, err := CreateClaims(slots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return openClaims(t, fd), fd
}

func openClaims(t *testing.T, fd int) *Claims {
	t.Helper()
	c, err := OpenClaims(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestOfferIsHadOnce(t *testing.T) {
	sender, fd := newClaims(t, 2)
	receiver := openClaims(t, fd)
	for range 2000 {
		o, ok := sender.Offer(1)
		if !ok {
			t.Fatal("no offer can be made")
		}
		var had atomic.Int32
		var wg sync.WaitGroup
		for _, get := range []func(Claim) bool{receiver.Take, receiver.Take, sender.Reclaim} {
			wg.Go(func() {
				if get(o) {
					had.Add(1)
				}
			})
		}
		wg.Wait()
		if had.Load() != 1 {
			t.Fatalf("%d have the connection", had.Load())
		}
		sender.Settle(o)
		if receiver.Take(o) || sender.Reclaim(o) || sender.Settle(o) {
			t.Fatal("an offer that is over can be had")
		}
	}
}

func TestOffersAreBounded(t *testing.T) {
	c, _ := newClaims(t, 1)
	var first Claim
	for i := range SlotClaims {
		o, ok := c.Offer(0)
		if !ok {
			t.Fatalf("offer %d is refused", i)
		}
		if i == 0 {
			first = o
		}
	}
	if _, ok := c.Offer(0); ok {
		t.Error("one offer too many")
	}
	if !c.Reclaim(first) {
		t.Error("the first one is gone")
	}
	if o, ok := c.Offer(0); !ok || o.Seq == first.Seq {
		t.Errorf("after one was taken back: %v, %v", o, ok)
	}
}

func TestNextWorkerOfASlotLeavesOffersOfTheLast(t *testing.T) {
	dead, fd := newClaims(t, 1)
	open, _ := dead.Offer(0)
	taken, _ := dead.Offer(0)
	if !dead.Take(taken) {
		t.Fatal("cannot be taken")
	}
	next := openClaims(t, fd)
	next.Inherit(0)
	for range SlotClaims - 1 {
		o, ok := next.Offer(0)
		if !ok {
			t.Fatal("a dead worker's offer that was taken blocks the word for ever")
		}
		if o.Index == open.Index {
			t.Fatal("the dead worker's offer was overwritten")
		}
	}
	if !next.Take(open) {
		t.Error("the dead worker's offer cannot be taken any more")
	}
}

func TestStrangeClaimsAreNotTaken(t *testing.T) {
	c, _ := newClaims(t, 1)
	for _, o := range []Claim{{Slot: -1}, {Slot: 1}, {Index: -1}, {Index: SlotClaims}, {Seq: 7}, {}} {
		if c.Take(o) {
			t.Errorf("%+v", o)
		}
	}
	if _, err := OpenClaims(-1); err == nil {
		t.Error("no descriptor, no error")
	}
}

func TestReadyWorkers(t *testing.T) {
	b, fd, err := Create(3)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	defer b.Close()
	want := func(brisk, idle bool, what string) {
		t.Helper()
		if gotBrisk, gotIdle := b.Ready(0, 1000, 100); gotBrisk != brisk || gotIdle != idle {
			t.Errorf("%s: brisk %v, idle %v", what, gotBrisk, gotIdle)
		}
	}
	want(false, false, "nobody")
	b.Slot(0).SetState(Idle)
	want(false, false, "only oneself")
	s := b.Slot(2)
	s.SetState(Idle)
	want(true, true, "another")
	s.Begin(950, nil, nil, netip.AddrPort{})
	want(true, false, "that has just begun")
	s.Begin(500, nil, nil, netip.AddrPort{})
	want(false, false, "that is stuck")
	s.End()
	s.SetState(Draining)
	want(false, false, "that drains")
}
