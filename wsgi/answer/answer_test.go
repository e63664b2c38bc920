package answer

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

// script is an application's calls whose pieces are there beforehand.
type script struct {
	pieces   []string
	finished int
}

func (s *script) Next(flags uint32, out []byte, res *call.Result) call.State {
	*res = call.Result{FD: -1, Handle: res.Handle, Now: loop.Now()}
	if len(s.pieces) == 0 {
		return call.Last
	}
	res.BodyLen = uint32(copy(out, s.pieces[0]))
	s.pieces = s.pieces[1:]
	return call.More
}

func (s *script) Batch(flags uint32, out []byte, end int, left int64, res *call.Result) call.State {
	panic("no iterator of small pieces")
}

func (s *script) Finish(res *call.Result) { s.finished++; res.Handle = nil }
func (s *script) RunSignals() call.Flags  { return 0 }
func (s *script) Release()                {}

// packed is a head as the application's side gives it.
func packed(status string, headers ...string) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(status)))
	b = append(b, status...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(headers)))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
		b = append(append(b, name...), value...)
	}
	return b
}

// exchange is one answer on a pair of sockets.
type exchange struct {
	*Responder
	c      Conn
	a      *Answer
	calls  *script
	client int
}

// said begins an answer with what the call itself has given: a head and body.
func said(t *testing.T, state call.State, head []byte, body string, pieces ...string) *exchange {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) })
	s := NewResponder(&Rules{Patience: time.Minute})
	x := &exchange{Responder: &s, c: Conn{Wire: loop.NewTransport(fds[0])}, calls: &script{pieces: pieces}, client: fds[1]}
	x.Calls = x.calls
	x.a = x.NewAnswer(loop.Now(), response.Request{Keep: true})
	x.a.State = state
	x.a.Result = call.Result{FD: -1, Total: -1, Now: loop.Now()}
	if state == call.Done {
		x.a.Result.Total = int64(len(body))
	}
	x.a.Result.HeadLen = uint32(copy(x.Out, head))
	x.a.Result.BodyOff = x.a.Result.HeadLen
	x.a.Result.BodyLen = uint32(copy(x.Out[x.a.Result.BodyOff:], body))
	return x
}

// carried is what came of it.
func (x *exchange) carried() Verdict {
	v := x.Called(&x.c, x.a)
	if v == Sent {
		v = x.Carry(&x.c, x.a)
	}
	return v
}

// received is what the client has got so far.
func (x *exchange) received(t *testing.T) string {
	t.Helper()
	var got []byte
	buf := make([]byte, 1<<16)
	for {
		n, e := loop.Recv(x.client, buf)
		if loop.Again(e) || n == 0 && e == loop.None {
			return string(got)
		}
		if e != loop.None {
			t.Fatal(e)
		}
		got = append(got, buf[:n]...)
	}
}

func TestAnAnswerLeavesWithItsFraming(t *testing.T) {
	for name, x := range map[string]struct {
		state   call.State
		headers []string
		pieces  []string
		want    []string
	}{
		"whole":     {call.Done, []string{"Content-Length: 5"}, nil, []string{"Content-Length: 5\r\n", "\r\n\r\nhello"}},
		"in pieces": {call.More, nil, []string{"", " you"}, []string{"Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := said(t, x.state, packed("200 OK", x.headers...), "hello", x.pieces...)
			if v := e.carried(); v != Sent || e.a.Bound() {
				t.Errorf("verdict %d, state %d", v, e.a.State)
			}
			got := e.received(t)
			for _, want := range x.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in %q", want, got)
				}
			}
		})
	}
}

func TestAnAnswerThatIsNotWholeIsCut(t *testing.T) {
	e := said(t, call.Done, packed("200 OK", "Content-Length: 10"), "hello")
	if v := e.carried(); v != Cut || !strings.Contains(e.a.Fault, "shorter") {
		t.Errorf("verdict %d, %q", v, e.a.Fault)
	}
	e = said(t, call.Done, packed("200 OK", "Content-Length: 2"), "hello")
	if v := e.carried(); v != Sent || !strings.Contains(e.a.Fault, "longer") || !strings.HasSuffix(e.received(t), "\r\n\r\nhe") {
		t.Errorf("verdict %d, %q", v, e.a.Fault)
	}
}

// What the application wants of the process is an outcome: nothing here acts on it.
func TestACallThatFailsIsAnswered500(t *testing.T) {
	for state, quits := range map[call.State]bool{call.Failed: false, call.Quit: true} {
		e := said(t, state, nil, "")
		if v := e.carried(); v != Sent || e.a.Quits != quits || !strings.HasPrefix(e.received(t), "HTTP/1.1 500 ") {
			t.Errorf("state %d: verdict %d, quits %v", state, v, e.a.Quits)
		}
	}
}

// A suspended answer is the connection's: the thread's buffers are others' meanwhile.
func TestASuspendedAnswerOutlivesTheThreadsBuffers(t *testing.T) {
	text := strings.Repeat("0123456789", outSize/10-100)
	e := said(t, call.Done, packed("200 OK"), text)
	fill := make([]byte, 1<<16)
	for {
		if _, err := loop.Send(e.c.Wire.FD(), fill, false); loop.Again(err) {
			break
		}
	}
	if v := e.carried(); v != Blocked || e.c.Suspended == nil {
		t.Fatalf("verdict %d, suspended %v", v, e.c.Suspended)
	}
	clear(e.Out)
	clear(e.head[:cap(e.head)])
	sent := e.received(t)
	for v := Blocked; v != Sent; sent += e.received(t) {
		if v = e.Carry(&e.c, e.c.Suspended); v != Sent && v != Blocked {
			t.Fatalf("verdict %d", v)
		}
	}
	if _, answer, _ := strings.Cut(sent, "HTTP/1.1 200 OK\r\n"); !strings.HasSuffix(answer, "\r\n\r\n"+text) {
		t.Errorf("%d bytes of an answer", len(answer))
	}
}

// posted is a transmitter that keeps what it is given.
type posted struct{ answers [][]byte }

func (p *posted) Put(fd int, answer []byte) bool {
	p.answers = append(p.answers, bytes.Clone(answer))
	return true
}

func (p *posted) Send(n int) []call.Unsent { return make([]call.Unsent, n) }

func TestAWholeAnswerWaitsOnlyForOthers(t *testing.T) {
	wait := func(others bool) (e *exchange, box *Outbox[int], kept bool) {
		e, box = said(t, call.Done, packed("200 OK"), "hello"), &Outbox[int]{Transmitter: new(posted)}
		e.rules.Keeps, e.took = true, LongCall
		if v := e.carried(); v != Whole || e.received(t) != "" {
			t.Fatalf("verdict %d", v)
		}
		kept = box.Keep(7, &e.c, e.a, e.Now, others)
		if v := e.CarryOn(&e.c, e.a); v != Sent {
			t.Errorf("verdict %d", v)
		}
		return e, box, kept
	}
	if e, box, kept := wait(false); kept || box.Leave(7, Sent) || !strings.HasSuffix(e.received(t), "hello") {
		t.Error("it was kept for nobody")
	}
	e, box, kept := wait(true)
	if !kept || e.received(t) != "" {
		t.Error("it was not kept")
	}
	if answers, _ := box.Send(); answers != nil {
		t.Error("it was sent while its call went on")
	}
	if box.Leave(8, Sent) || !box.Leave(7, Sent) {
		t.Error("the outbox does not know whose answer it has")
	}
	answers, _ := box.Send()
	if !slices.Equal(answers, []Kept[int]{{Conn: 7, left: true}}) || box.Size() != 0 {
		t.Errorf("sent %v", answers)
	}
}

func TestAClientThatTakesNothingIsGivenUpAtTheLastLook(t *testing.T) {
	e := said(t, call.Done, packed("200 OK"), "hello")
	if e.a.Await(&e.c, 1, time.Minute, true) {
		t.Error("given up at once")
	}
	for look := 1; look < Looks; look++ {
		if e.a.Look(&e.c, time.Minute) {
			t.Errorf("given up at look %d", look)
		}
	}
	e.a.Out += 1 << 20
	if e.a.Look(&e.c, time.Minute) {
		t.Error("given up although it has taken something")
	}
	for look := range Looks {
		if got, want := e.a.Look(&e.c, time.Minute), look == Looks-1; got != want {
			t.Errorf("look %d: given up %v", look+1, got)
		}
	}
}

// What the application has done itself with its client is logged as it has said it, and nothing is sent.
func TestAnAnswerOnTheApplicationsOwnSocketIsConceded(t *testing.T) {
	for name, x := range map[string]struct {
		state  call.State
		head   []byte
		status int
		logged bool
	}{
		"by an exception":  {call.Handled, nil, 0, true},
		"it failed":        {call.Failed, nil, 500, false},
		"with a head":      {call.Done, packed("101 Switching Protocols"), 101, false},
		"without a word":   {call.Done, nil, noStatus, false},
		"told to be quiet": {call.Quit, nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := said(t, x.state, x.head, "")
			e.a.Holder = AppHas
			if v := e.carried(); v != Handled || e.a.Frame.Status != x.status || e.a.Logged != x.logged || e.received(t) != "" {
				t.Errorf("verdict %d, status %d, logged %v", v, e.a.Frame.Status, e.a.Logged)
			}
		})
	}
}
