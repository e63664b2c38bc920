package lead

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onThread runs f, which returns when over is set, on a thread of its own and gives the MainThread that looks at it.
func onThread(t *testing.T, prepare func(), f func(over *atomic.Bool)) *MainThread {
	t.Helper()
	var over atomic.Bool
	found, done := make(chan MainThread), make(chan struct{})
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		prepare()
		found <- NewMainThread()
		f(&over)
		close(done)
	}()
	r := <-found
	if r.stat < 0 {
		t.Fatal("no stat file")
	}
	t.Cleanup(func() {
		over.Store(true)
		<-done
		unix.Close(r.stat)
	})
	return &r
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never seen: " + what)
		}
	}
}

func spin(over *atomic.Bool) {
	for !over.Load() {
	}
}

func TestAThreadThatComputesIsSeenToRun(t *testing.T) {
	r := onThread(t, func() {}, spin)
	eventually(t, "time used by a thread that computes", func() bool { return r.Ran() >= 1_000_000 && r.Runnable() })
}

func TestAThreadThatWaitsIsNotSeenToRun(t *testing.T) {
	r := onThread(t, func() {}, func(over *atomic.Bool) {
		for !over.Load() {
			ts := unix.NsecToTimespec(int64(20 * time.Millisecond))
			_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
		}
	})
	eventually(t, "a thread that waits", func() bool { return r.Ran() < 1_000_000 && !r.Runnable() })
}

// TestAThreadThatGetsNoProcessorIsSeen has one that runs only when nobody else wants its core share it with one that computes.
func TestAThreadThatGetsNoProcessorIsSeen(t *testing.T) {
	var one, now unix.CPUSet
	if err := unix.SchedGetaffinity(0, &now); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if now.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	pin := func() {
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			t.Error(err)
		}
	}
	r := onThread(t, func() {
		pin()
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: 5}, 0); err != nil { // SCHED_IDLE
			t.Error(err)
		}
	}, spin)
	onThread(t, pin, spin)
	eventually(t, "a thread that gets no processor", func() bool { return r.Ran() < 1_000_000 && r.Runnable() })
}
