package h2io

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"

	"gosrv/wsgi/http2"
	"gosrv/wsgi/loop"
)

const head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

// pair is a connection of ours and the client's end of it.
func pair(t *testing.T) (c *Conn, client int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	table, err := NewTable(http2.Settings{Streams: 100, Window: 65535, Frame: 16384})
	if err != nil {
		t.Fatal(err)
	}
	c = table.Begin(loop.NewTransport(fds[0]), nil, 1)
	t.Cleanup(func() {
		c.Close()
		loop.Close(fds[0])
		loop.Close(fds[1])
	})
	send(t, fds[1], http2.Preface+frame(4, 0, 0, ""))
	return c, fds[1]
}

func frame(kind, flags byte, stream int, payload string) string {
	n := len(payload)
	return string([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, 0, 0, byte(stream >> 8), byte(stream)}) + payload
}

// request is the frames of one, without the end of its body if more follows.
func request(stream int, method string, more bool) string {
	var b strings.Builder
	enc := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", method}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true})
	}
	if more {
		return frame(1, 4, stream, b.String())
	}
	return frame(1, 5, stream, b.String())
}

func send(t *testing.T, fd int, text string) {
	t.Helper()
	if n, e := loop.Send(fd, []byte(text), false); e != loop.None || n < len(text) {
		t.Fatal(n, e)
	}
}

// come is what the client finds, without waiting.
func come(fd int) int {
	b := make([]byte, 1<<20)
	n, _ := loop.Recv(fd, b)
	return n
}

// opened are the streams that a read has brought.
func opened(t *testing.T, c *Conn) (all []*Stream) {
	t.Helper()
	c.Receive()
	for st, news := c.Next(); st != nil; st, news = c.Next() {
		if news&http2.Opened != 0 {
			all = append(all, st)
		}
	}
	return all
}

func answer(t *testing.T, st *Stream) {
	t.Helper()
	b := make([]byte, 4096)
	if n, e := st.Recv(b); e != loop.None || !strings.HasPrefix(string(b[:n]), "GET / HTTP/2.0\r\n") {
		t.Fatalf("%q %v", b[:n], e)
	}
	if n, e := st.Send([]byte(head+"ok"), true); e != loop.None || n != len(head)+2 {
		t.Fatal(n, e)
	}
	st.Close()
}

func TestAnswersOfOneReadLeaveTogether(t *testing.T) {
	c, client := pair(t)
	send(t, client, request(1, "GET", false)+request(3, "GET", false)+request(5, "GET", false))
	all := opened(t, c)
	if len(all) != 3 {
		t.Fatal(len(all))
	}
	come(client)
	sent := c.left
	answer(t, all[0])
	answer(t, all[1])
	if c.left != sent {
		t.Error("the first answers have not waited for the last")
	}
	answer(t, all[2])
	if c.left == sent || c.State().Waits != 0 || come(client) == 0 {
		t.Error("the last has not sent all")
	}
}

func TestNothingIsKeptForLong(t *testing.T) {
	c, client := pair(t)
	send(t, client, request(1, "GET", false)+request(3, "GET", false))
	all := opened(t, c)
	come(client)
	answer(t, all[0]) // the other one's call takes its time
	if !loop.WaitReadable(client, 5000) {
		t.Error("the answer is kept")
	}
}

func TestWhoWaitsReads(t *testing.T) {
	c, client := pair(t)
	send(t, client, request(1, "POST", true))
	st := opened(t, c)[0]
	b := make([]byte, 4096)
	if n, e := st.Recv(b); e != loop.None || n == 0 {
		t.Fatal(n, e)
	}
	if _, e := st.Recv(b); e != unix.EAGAIN {
		t.Fatal(e)
	}
	done := make(chan bool)
	go func() { done <- st.WaitReadable(10_000) }()
	time.Sleep(10 * time.Millisecond) // most likely it waits by now; if not, it finds the bytes
	send(t, client, frame(0, 1, 1, "body")+request(3, "GET", false))
	if !<-done {
		t.Fatal("nothing has come")
	}
	if n, _ := st.Recv(b); string(b[:n]) != "4\r\nbody\r\n0\r\n\r\n" {
		t.Errorf("%q", b[:n])
	}
	if told := c.table.Told(); len(told) == 0 || told[0] != c {
		t.Error("the loop is not told of the other stream")
	}
}

func TestTheEndReachesWhoWaits(t *testing.T) {
	c, client := pair(t)
	send(t, client, request(1, "POST", true))
	st := opened(t, c)[0]
	done := make(chan bool)
	go func() { done <- st.WaitWritable(10_000) || st.WaitReadable(10_000) }()
	loop.HalfClose(client)
	if !<-done {
		t.Fatal("not told")
	}
	c.Receive()
	if _, e := st.Send([]byte(head), false); e != unix.EPIPE {
		t.Error(e)
	}
}

func TestAClientThatTakesNothingHoldsItself(t *testing.T) {
	c, client := pair(t)
	send(t, client, frame(4, 0, 0, "\x00\x04\x7f\xff\xff\xff")+frame(8, 0, 0, "\x7f\x00\x00\x00")+request(1, "GET", false))
	st := opened(t, c)[0]
	b := make([]byte, 4096)
	_, _ = st.Recv(b)
	if _, e := st.Send([]byte("HTTP/1.1 200 OK\r\n\r\n"), false); e != loop.None {
		t.Fatal(e)
	}
	piece := make([]byte, 32<<10)
	for range 1000 {
		if _, e := st.Send(piece, false); e == unix.EAGAIN {
			break
		}
	}
	if waits := c.State().Waits; waits < http2.MostUnsent || waits > http2.MostUnsent+1024 {
		t.Errorf("%d bytes wait", waits)
	}
	send(t, client, request(3, "GET", false))
	if came := c.Receive(); came != Held {
		t.Errorf("%d: more is read of it", came)
	}
	for c.State().Waits >= http2.MostUnsent {
		come(client)
		c.Flush()
	}
	if c.NextTurn() != st {
		t.Error("the stream is not told that there is room")
	}
}
