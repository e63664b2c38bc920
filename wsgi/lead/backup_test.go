package lead

import (
	"runtime"
	"testing"
	"time"
)

// The main thread has the lead whenever it is not in a call, and the backup
// when a call takes long: the race detector looks on.
func TestBackupLeadsWhileTheMainThreadIsStuck(t *testing.T) {
	const tick = 200_000
	st := &state{}
	b, err := NewBackup(st)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Waker().Close()
	done := make(chan int)
	go func() {
		runtime.LockOSThread()
		led := 0
		for held := b.StandBy(tick, func() bool { return false }); held != nil; held = b.StandBy(tick, func() bool { return false }) {
			led++
			for !b.Wanted() {
				held.n++
				runtime.Gosched()
			}
			b.Return()
		}
		done <- led
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	taken := 0
	for i := range 400 {
		st.n++
		b.Release()
		if i%20 == 0 {
			time.Sleep(20 * tick)
		}
		held, led := b.Reclaim()
		if held != st {
			t.Fatal("the main thread has come back without the lead")
		}
		if led {
			taken++
		}
	}
	b.End()
	if led := <-done; led != taken || led == 0 {
		t.Errorf("the backup led %d times, of which the main thread knows %d", led, taken)
	}
}

// A main thread that only waits for a processor is not relieved of the lead.
func TestExcusedMainThreadKeepsTheLead(t *testing.T) {
	b, err := NewBackup(&state{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Waker().Close()
	asked, done := make(chan struct{}, 100), make(chan bool)
	go func() {
		runtime.LockOSThread()
		done <- b.StandBy(100_000, func() bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			return true
		}) != nil
	}()
	b.Release()
	for range 5 {
		<-asked
	}
	if _, led := b.Reclaim(); led {
		t.Error("the backup led")
	}
	b.End()
	if <-done {
		t.Error("it leads at the end")
	}
}
