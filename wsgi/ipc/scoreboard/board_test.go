package scoreboard

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func create(t *testing.T, slots int) (*Board, int) {
	t.Helper()
	b, fd, err := Create(slots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); unix.Close(fd) })
	return b, fd
}

func TestWriterIsSeenThroughAnotherMapping(t *testing.T) {
	master, fd := create(t, 3)
	worker, err := Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	s := worker.Slot(1)
	s.Init(42, 7)
	s.SetState(Busy)
	s.AddRequest()
	s.AddRequest()
	s.SetConnections(5)
	s.SetStates(&Connections{1, 2, 0, 70000, 0, 3})
	s.SetRunning(2)
	s.Tick(99)
	client := netip.MustParseAddrPort("[2001:db8::1]:65535")
	s.Begin(1234, []byte("GET"), []byte("/a/b"), client)
	want := Snapshot{PID: 42, Generation: 7, State: Busy, Requests: 2, Connections: 5, States: Connections{1, 2, 0, 65535, 0, 3}, Running: 2, LoopTick: 99, Start: 1234, Method: "GET", Path: "/a/b", Client: client}
	if got := master.Snapshot(1); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, client := range []string{"192.0.2.1:0", "[::1]:8000"} {
		s.Begin(1, nil, nil, netip.MustParseAddrPort(client))
		if got := master.Snapshot(1).Client.String(); got != client {
			t.Errorf("a client at %s, not %s", got, client)
		}
	}
	s.End()
	if got := master.Snapshot(1); got.Start != 0 || got.Method != "" || got.Path != "" || got.Requests != 2 {
		t.Errorf("after End: %+v", got)
	}
	for _, i := range []int{0, 2} {
		if got := master.Snapshot(i); got != (Snapshot{}) {
			t.Errorf("neighbour %d: %+v", i, got)
		}
	}
}

func TestTextOfEveryLengthIsKeptOrCut(t *testing.T) {
	b, _ := create(t, 2)
	s := b.Slot(0)
	s.Init(1, 1)
	for m := range 30 {
		for _, p := range []int{0, 1, 7, 8, 9, 118, 139, 140, 141, 300} {
			method, path := strings.Repeat("M", m), strings.Repeat("p", p)
			s.Begin(1, []byte(method), []byte(path), netip.AddrPort{})
			wantM := method[:min(m, 24)]
			wantP := path[:min(p, textSize-len(wantM))]
			if got := b.Snapshot(0); got.Method != wantM || got.Path != wantP {
				t.Fatalf("%d, %d: %q %q", m, p, got.Method, got.Path)
			}
		}
	}
	if got := b.Snapshot(1); got != (Snapshot{}) {
		t.Errorf("neighbour was written: %+v", got)
	}
}

func TestReaderNeverSeesHalfARequest(t *testing.T) {
	b, _ := create(t, 1)
	s := b.Slot(0)
	s.Init(1, 1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		paths := [2][]byte{[]byte("/" + strings.Repeat("a", 100)), []byte("/" + strings.Repeat("b", 120))}
		methods := [2][]byte{[]byte("GET"), []byte("POST")}
		for i := int64(1); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			s.Begin(i, methods[i&1], paths[i&1], netip.AddrPort{})
			if i%3 == 0 {
				s.End()
			}
		}
	})
	for range 20000 {
		got := b.Snapshot(0)
		if got.Start == 0 {
			continue
		}
		even := got.Method == "GET" && got.Path == "/"+strings.Repeat("a", 100)
		odd := got.Method == "POST" && got.Path == "/"+strings.Repeat("b", 120)
		if (got.Start&1 == 0 && !even) || (got.Start&1 == 1 && !odd) {
			t.Errorf("torn: %+v", got)
			break
		}
	}
	close(stop)
	wg.Wait()
}

func TestSlotOfAKilledWriterIsUsableAgain(t *testing.T) {
	b, _ := create(t, 1)
	s := b.Slot(0)
	s.Init(1, 1)
	s.Begin(5, []byte("GET"), []byte("/"), netip.AddrPort{})
	s.w.seq.Add(1) // killed inside Begin
	if got := b.Snapshot(0); got.Start != 0 {
		t.Errorf("half-written request shown: %+v", got)
	}
	s.Init(2, 1)
	s.Begin(6, []byte("PUT"), []byte("/x"), netip.AddrPort{})
	if got := b.Snapshot(0); got.Start != 6 || got.Method != "PUT" || got.PID != 2 {
		t.Errorf("after Init: %+v", got)
	}
	s.Release()
	if got := b.Snapshot(0); got != (Snapshot{}) {
		t.Errorf("after Release: %+v", got)
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	b, _ := create(t, 1)
	s := b.Slot(0)
	method, path := []byte("DELETE"), []byte(strings.Repeat("/long", 50))
	if n := testing.AllocsPerRun(100, func() {
		s.SetState(Busy)
		s.Begin(1, method, path, netip.AddrPort{})
		s.AddRequest()
		s.SetConnections(3)
		s.End()
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestNobodyCanShrinkTheBoard(t *testing.T) {
	_, fd := create(t, 2)
	if err := unix.Ftruncate(fd, SlotSize); err == nil {
		t.Error("truncated: the master would get SIGBUS")
	}
}

func TestBadBoardsAreRefused(t *testing.T) {
	if _, _, err := Create(0); err == nil {
		t.Error("zero slots accepted")
	}
	fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, size := range []int64{0, 100, SlotSize + 1} {
		if err := unix.Ftruncate(fd, size); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(fd); err == nil {
			t.Errorf("%d bytes accepted", size)
		}
	}
}

func TestStateNames(t *testing.T) {
	if got := fmt.Sprint(Free, Booting, Idle, Busy, Draining, State(9)); got != "free booting idle busy draining state(9)" {
		t.Error(got)
	}
}

func TestOnlyTheRequestThatRunsIsWaived(t *testing.T) {
	b, _ := create(t, 1)
	s := b.Slot(0)
	s.Init(1, 1)
	begin := func() {
		s.AddRequest()
		s.Begin(5, []byte("GET"), []byte("/"), netip.AddrPort{})
	}
	waived := func() bool { return b.Snapshot(0).Waived }
	if begin(); waived() {
		t.Error("waived from the start")
	}
	if s.Waive(); !waived() {
		t.Error("not waived")
	}
	if s.End(); waived() {
		t.Error("waived although none runs")
	}
	if begin(); waived() {
		t.Error("the next one is waived, too")
	}
	s.Waive()
	if s.Init(2, 1); waived() {
		t.Error("waived in the next worker")
	}
}
