package wsgi

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

// expectingWorker has nothing more to serve and an order to refork unread.
func expectingWorker(t *testing.T) *eventLoop {
	t.Helper()
	master, fd, err := workerctl.Pair()
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := master.Send(workerctl.Refork{}, int(null.Fd()), int(null.Fd())); err != nil {
		t.Fatal(err)
	}
	w := &eventLoop{worker: &worker{ctl: workerctl.NewConn(fd), own: func(int, bool) {}}}
	w.set.reforks = true
	t.Cleanup(func() { master.Close(); w.ctl.Close() })
	return w
}

// The order to drain comes by signal, too, and may be obeyed before the channel is read.
func TestOrderToReforkIsReadBeforeTheEnd(t *testing.T) {
	w := expectingWorker(t)
	lookForReforkOrder(w.worker)
	var got []int
	owned := map[int]bool{}
	w.own = func(fd int, own bool) { owned[fd] = own }
	forkZygote(w, func(control, library int) error { got = []int{control, library}; return nil })
	if len(got) != 2 || got[0] == got[1] {
		t.Fatalf("forked with %v", got)
	}
	for _, fd := range got {
		if owned[fd] {
			t.Error("what the zygote needs is closed in it")
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("descriptor %d stays open: %v", fd, err)
		}
	}
	forkZygote(w, func(int, int) error { t.Error("forked twice"); return nil })
}

func TestNoReforkFromAWorkerThatIsNotAtRest(t *testing.T) {
	for name, change := range map[string]func(w *eventLoop){
		"told to quit":         func(w *eventLoop) { w.quitting.Store(true) },
		"the server ends":      func(w *eventLoop) { w.drain.final = true },
		"a call is given up":   func(w *eventLoop) { w.lost.Store(1) },
		"a thread is in there": func(w *eventLoop) { w.pool.size = 2; w.pool.out.Store(1) },
	} {
		w := expectingWorker(t)
		lookForReforkOrder(w.worker)
		fds := w.reforkFDs
		change(w)
		forkZygote(w, func(int, int) error { t.Errorf("%s: forked", name); return nil })
		for _, fd := range fds {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
				t.Errorf("%s: descriptor %d stays open", name, fd)
			}
		}
	}
}
