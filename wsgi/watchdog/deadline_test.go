package watchdog

import (
	"sync"
	"testing"
)

func TestAnswerIsHadByOneSide(t *testing.T) {
	for i := range 10_000 {
		var d Deadline
		d.Start(1000, false)
		word := d.word.Load()
		var call, dog bool
		var wg sync.WaitGroup
		wg.Go(func() { call = d.Commit(i%2 == 0) })
		wg.Go(func() {
			if dog = d.expire(word); dog {
				d.release()
			}
		})
		wg.Wait()
		if call == dog {
			t.Fatalf("round %d: call %v, watchdog %v", i, call, dog)
		}
		if d.Stop() != dog || d.word.Load() != 0 {
			t.Fatalf("round %d: the deadline is not free afterwards", i)
		}
	}
}

func TestPausedRequestIsNobodys(t *testing.T) {
	var d Deadline
	d.Start(1000, false)
	if !d.Pause() || d.expire(1000) {
		t.Fatal("taken while an interim answer was on its way")
	}
	d.Resume()
	d.Extend(5000)
	if d.expire(1000) || !d.expire(5000) {
		t.Fatal("the time did not begin again")
	}
	d.release()
	d.Extend(9000)
	if d.Commit(false) || d.Pause() {
		t.Error("a request that was answered is claimed again")
	}
}

func TestWaivedRequestIsNeverLate(t *testing.T) {
	var d Deadline
	d.Start(1000, false)
	for range 2 {
		if !d.Waive() || d.expire(1000) {
			t.Fatal("taken although it may take as long as it likes")
		}
	}
	if d.Extend(5000); !d.Pause() || !d.Commit(false) || !d.Commit(true) {
		t.Error("its call may not answer")
	}
	if d.Resume(); !d.Running() || d.Since() != 1 {
		t.Errorf("it is said to run since %d", d.Since())
	}
	if d.Stop() || d.Running() {
		t.Error("the deadline is not free afterwards")
	}
}

func TestExpiredRequestIsNotWaived(t *testing.T) {
	var d Deadline
	d.Start(1000, false)
	if !d.expire(1000) {
		t.Fatal("not taken")
	}
	d.release()
	if d.Waive() || !d.Stop() {
		t.Error("a request that was answered is waived")
	}
}
