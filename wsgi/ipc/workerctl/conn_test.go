package workerctl

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	a, fd, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b := NewConn(fd)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestMessageArrivesWithWorkingDescriptors(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sent := Serve{
		Worker:    Identity{Nr: 1, Age: 2, Generation: 3, Slot: 4},
		Settings:  Settings{Threads: 5, ForwardedAllowIPs: List{"*"}, SecureSchemeHeaders: StringMap{"X": "y"}},
		Listeners: []Listener{{Kind: "tcp", Host: "::1", Port: 80}, {Kind: "unix", Path: "/run/x"}},
		FDs:       []string{FDErrorLog, FDListener},
	}
	if err := a.Send(sent, int(w.Fd()), int(r.Fd())); err != nil {
		t.Fatal(err)
	}
	w.Close()
	typ, raw, fds, err := b.Recv()
	if err != nil || typ != "Serve" || len(fds) != 2 {
		t.Fatalf("Recv = %q, %v fds, %v", typ, fds, err)
	}
	var got Serve
	if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v, %v; want %+v", got, err, sent)
	}
	for _, fd := range fds {
		if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("fd %d would leak into exec", fd)
		}
	}
	if _, err := unix.Write(fds[0], []byte("x")); err != nil {
		t.Errorf("writing to received descriptor: %v", err)
	}
	closeAll(fds)
	buf := make([]byte, 2)
	if n, err := r.Read(buf); n != 1 || err != nil {
		t.Errorf("Read = %d, %v; want the byte written through the received descriptor", n, err)
	}
}

func TestEmptyMessageIsAnObjectWithType(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(Quit{}); err != nil {
		t.Fatal(err)
	}
	typ, raw, _, err := b.Recv()
	if err != nil || typ != "Quit" || string(raw) != `{"type":"Quit"}` {
		t.Errorf("Recv = %q %s %v", typ, raw, err)
	}
}

func TestTryRecvReportsEmptySocketThenEOF(t *testing.T) {
	a, b := pair(t)
	if _, _, _, err := b.TryRecv(); !errors.Is(err, ErrWouldBlock) {
		t.Fatalf("empty: %v, want ErrWouldBlock", err)
	}
	a.Close()
	if _, _, _, err := b.TryRecv(); err != io.EOF {
		t.Errorf("closed: %v, want EOF", err)
	}
}

func TestLastWordsAreReadAlthoughOrdersWereLeftUnread(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(Quit{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Send(WorkerFailed{Stage: "app", Exit: ExitApp}); err != nil {
		t.Fatal(err)
	}
	b.Close() // with Quit unread: the kernel reports a reset first
	if typ, _, _, err := a.Recv(); typ != "WorkerFailed" || err != nil {
		t.Fatalf("Recv = %q, %v", typ, err)
	}
	if _, _, _, err := a.Recv(); err != io.EOF {
		t.Errorf("then %v, want EOF", err)
	}
}

func TestSendNeverBlocks(t *testing.T) {
	a, _ := pair(t)
	big := WorkerFailed{Traceback: strings.Repeat("x", 60<<10)}
	for range 100 {
		if err := a.Send(big); err != nil {
			if !errors.Is(err, ErrWouldBlock) {
				t.Errorf("full socket: %v, want ErrWouldBlock", err)
			}
			return
		}
	}
	t.Error("socket never filled")
}

func TestSendRefusesOversizedMessage(t *testing.T) {
	a, _ := pair(t)
	if err := a.Send(WorkerFailed{Traceback: strings.Repeat("x", MaxPacket)}); err == nil {
		t.Error("no error")
	}
}

func TestLargestPacketPasses(t *testing.T) {
	a, b := pair(t)
	want := strings.Repeat("x", MaxPacket-200)
	if err := a.Send(WorkerFailed{Traceback: want}); err != nil {
		t.Fatal(err)
	}
	_, raw, _, err := b.Recv()
	var got WorkerFailed
	if err != nil || json.Unmarshal(raw, &got) != nil || got.Traceback != want {
		t.Errorf("%v, %d bytes", err, len(got.Traceback))
	}
}

func TestSendToDeadPeerIsAnErrorNotASignal(t *testing.T) {
	a, b := pair(t)
	b.Close()
	if err := a.Send(Quit{}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("%v, want EPIPE", err)
	}
}

func TestListReadsGunicornForms(t *testing.T) {
	for text, want := range map[string]List{
		`["a","b"]`: {"a", "b"}, `"a, b,"`: {"a", "b"}, `"*"`: {"*"}, `null`: nil, `""`: nil, `[]`: {},
	} {
		var got List
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %#v, %v; want %#v", text, got, err, want)
		}
	}
	var l List
	if json.Unmarshal([]byte(`7`), &l) == nil {
		t.Error("a number is not a list")
	}
}

func TestStringMapKeepsOnlyStrings(t *testing.T) {
	var got StringMap
	if err := json.Unmarshal([]byte(`{"A":"x","B":1,"C":null}`), &got); err != nil || !reflect.DeepEqual(got, StringMap{"A": "x"}) {
		t.Errorf("%v, %v", got, err)
	}
	if json.Unmarshal([]byte(`[]`), &got) == nil {
		t.Error("a list is not a dictionary")
	}
}
