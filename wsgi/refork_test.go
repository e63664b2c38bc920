package wsgi

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

// expectingWorker has nothing more to serve and an order to refork unread.
func expectingWorker(t *testing.T) *process {
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
	p := &process{ctl: workerctl.NewConn(fd), reforks: true, own: func(int, bool) {}}
	t.Cleanup(func() { master.Close(); p.ctl.Close() })
	return p
}

// The order to drain comes by signal, too, and may be obeyed before the channel is read.
func TestOrderToReforkIsReadBeforeTheEnd(t *testing.T) {
	p := expectingWorker(t)
	p.lookForReforkOrder()
	var got []int
	owned := map[int]bool{}
	p.own = func(fd int, own bool) { owned[fd] = own }
	p.forkZygote(true, func(control, library int) error { got = []int{control, library}; return nil })
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
	p.forkZygote(true, func(int, int) error { t.Error("forked twice"); return nil })
}

func TestNoReforkFromAWorkerThatIsNotAtRest(t *testing.T) {
	p := expectingWorker(t)
	p.lookForReforkOrder()
	fds := p.reforkFDs
	p.forkZygote(false, func(int, int) error { t.Error("forked"); return nil })
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("descriptor %d stays open", fd)
		}
	}
}
