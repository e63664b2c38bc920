package loop

import (
	"io"
	"math"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTimersExpireByClassInOrder(t *testing.T) {
	tm := NewTimers(0, 10, 30)
	es := make([]Entry, 5)
	for i := range es {
		es[i].FD = i
	}
	tm.Arm(&es[0], 1, 0)
	tm.Arm(&es[1], 2, 1)
	tm.Arm(&es[2], 1, 2)
	tm.Arm(&es[3], 0, 3) // class 0 never ends
	tm.Arm(&es[4], 1, 3)
	tm.Arm(&es[0], 1, 5) // again: to the back
	tm.Disarm(&es[4])
	tm.Disarm(&es[4])
	if e := tm.Oldest(1); e != &es[2] {
		t.Errorf("oldest of class 1 is %d", e.FD)
	}
	var got []int
	for now := int64(0); now < 100; now++ {
		for e, class := tm.Expired(now); e != nil; e, class = tm.Expired(now) {
			got = append(got, int(now)*100+int(class)*10+e.FD)
		}
	}
	want := []int{12*100 + 12, 15*100 + 10, 31*100 + 21}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("expired %v, want %v (time, class, entry)", got, want)
	}
	if n := tm.Next(); n != math.MaxInt64 {
		t.Errorf("next deadline %d with nothing that ends", n)
	}
}

func TestShortenedClassKeepsItsOrder(t *testing.T) {
	tm := NewTimers(100)
	var a, b, c Entry
	tm.Arm(&a, 0, 0)
	tm.Arm(&b, 0, 90)
	tm.Shorten(0, 20, 95)
	tm.Arm(&c, 0, 96)
	for i, want := range []struct {
		e  *Entry
		at int64
	}{{&a, 100}, {&b, 115}, {&c, 116}} {
		if n := tm.Next(); n != want.at {
			t.Errorf("%d: next deadline %d, want %d", i, n, want.at)
		}
		if e, _ := tm.Expired(want.at); e != want.e {
			t.Errorf("%d: another entry expired", i)
		}
	}
	tm.Shorten(0, 50, 200) // longer: no change
	tm.Arm(&a, 0, 200)
	if n := tm.Next(); n != 220 {
		t.Errorf("next deadline %d", n)
	}
}

func TestBuffersAreLentLastFirst(t *testing.T) {
	var b Buffers
	x, y := b.Get(1), b.Get(SmallBuffer)
	z := b.Get(SmallBuffer + 1)
	if len(x) != SmallBuffer || len(z) != MediumBuffer || b.Get(LargeBuffer+1) != nil {
		t.Errorf("sizes %d, %d", len(x), len(z))
	}
	if b.Lent() != 2*SmallBuffer+MediumBuffer {
		t.Errorf("%d bytes lent", b.Lent())
	}
	b.Put(x)
	b.Put(y)
	b.Put(z)
	if got := b.Get(5); &got[0] != &y[0] || b.Lent() != SmallBuffer {
		t.Errorf("not the warmest buffer, or %d bytes lent", b.Lent())
	}
}

// socketpair gives two connected sockets.
func socketpair(t *testing.T) (int, int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestEventsSayForWhomTheyAre(t *testing.T) {
	p := newPoller(t)
	a, b := socketpair(t)
	if e := p.Add(a, 7, ReadEdge); e != None {
		t.Fatal(e)
	}
	if n := p.Poll(); n != 0 {
		t.Fatalf("%d events of a silent socket", n)
	}
	unix.Write(b, []byte("x"))
	if n, _ := p.Wait(-1); n != 1 || p.Left() != 1 {
		t.Fatalf("%d events", n)
	}
	ev, ok := p.Next()
	if !ok || ev.FD != a || ev.Gen != 7 || !ev.Readable() || ev.Writable() || ev.Ended() {
		t.Errorf("event %+v", ev)
	}
	if n := p.Poll(); n != 0 {
		t.Error("an edge was reported twice")
	}
	p.Change(a, 8, DuplexEdge)
	unix.Shutdown(b, unix.SHUT_WR)
	p.Poll()
	if ev, _ = p.Next(); ev.Gen != 8 || !ev.Writable() || !ev.Ended() || ev.Broken() {
		t.Errorf("after FIN: %+v", ev)
	}
	p.Remove(a)
	unix.Write(b, []byte("y"))
	if n := p.Poll(); n != 0 {
		t.Error("an event after Remove")
	}
}

func TestSendvKeepsTheOrder(t *testing.T) {
	a, b := socketpair(t)
	for _, segs := range [][3][]byte{
		{[]byte("ab"), []byte("cd"), []byte("ef")},
		{nil, []byte("abcdef"), nil},
		{[]byte("abc"), nil, []byte("def")},
	} {
		if n, e := Sendv(a, &segs, false); n != 6 || e != None {
			t.Fatal(n, e)
		}
		buf := make([]byte, 10)
		if n, e := Recv(b, buf); e != None || string(buf[:n]) != "abcdef" {
			t.Errorf("got %q, %v", buf[:n], e)
		}
	}
	if _, e := Recv(b, make([]byte, 1)); e != unix.EAGAIN {
		t.Errorf("reading an empty socket: %v", e)
	}
}

func TestWritingToNobodyRaisesNoSignal(t *testing.T) {
	a, b := socketpair(t)
	unix.Shutdown(b, unix.SHUT_RDWR)
	if _, e := Send(a, []byte("x"), false); e != unix.EPIPE {
		t.Errorf("got %v", e)
	}
}

func TestSendFileMovesTheOffset(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString("0123456789")
	a, b := socketpair(t)
	off := int64(3)
	if n, e := SendFile(a, int(f.Fd()), &off, 4); n != 4 || e != None || off != 7 {
		t.Fatal(n, e, off)
	}
	buf := make([]byte, 10)
	if n, _ := Recv(b, buf); string(buf[:n]) != "3456" {
		t.Errorf("got %q", buf[:n])
	}
	off = 10
	if n, e := SendFile(a, int(f.Fd()), &off, 4); n != 0 || e != None {
		t.Errorf("at the end: %d, %v", n, e)
	}
}

func TestSignalIsNotLostAndNotKept(t *testing.T) {
	var s Signal
	s.Set()
	s.Set()
	if !s.Wait(0) {
		t.Error("a signal before the wait was lost")
	}
	if s.Wait(int64(time.Millisecond)) {
		t.Error("it came twice")
	}
	const rounds = 2000
	var ping, pong Signal
	go func() {
		runtime.LockOSThread()
		for range rounds {
			ping.Wait(0)
			pong.Set()
		}
	}()
	for range rounds {
		ping.Set()
		if !pong.Wait(int64(20 * time.Second)) {
			t.Fatal("a signal was lost")
		}
	}
}

func TestWakerWakesAPoller(t *testing.T) {
	p := newPoller(t)
	w, err := NewWaker()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p.Add(w.FD(), 0, ReadLevel)
	w.Wake()
	w.Wake()
	if n, _ := p.Wait(-1); n != 1 {
		t.Error("not woken")
	}
	w.Clear()
	if n := p.Poll(); n != 0 {
		t.Error("still readable after Clear")
	}
}

func TestNowIsTheClockOfAllProcesses(t *testing.T) {
	var ts unix.Timespec
	before := Now()
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	after := Now()
	// The two clocks were brought together once, between two readings.
	if slack := int64(time.Second); ts.Nano() < before-slack || ts.Nano() > after+slack {
		t.Errorf("CLOCK_MONOTONIC %d is not between %d and %d", ts.Nano(), before, after)
	}
}

func TestHotCallsDoNotAllocate(t *testing.T) {
	p := newPoller(t)
	a, b := socketpair(t)
	p.Add(a, 1, ReadEdge)
	text := []byte(strings.Repeat("x", 100))
	segs := [3][]byte{text, text, text}
	buf := make([]byte, 1000)
	tm, e := NewTimers(1000), Entry{}
	var pool Buffers
	if n := testing.AllocsPerRun(100, func() {
		Sendv(b, &segs, false)
		p.Poll()
		p.Next()
		Recv(a, buf)
		tm.Arm(&e, 0, Now())
		pool.Put(pool.Get(1))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWhatIsHeldBackLeavesWithTheEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(fd, &to); err != nil {
		t.Fatal(err)
	}
	if n, e := Sendv(fd, &[3][]byte{[]byte("head"), []byte("body")}, true); n != 8 || e != None {
		t.Errorf("sent %d, %v", n, e)
	}
	Close(fd)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); string(got) != "headbody" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
