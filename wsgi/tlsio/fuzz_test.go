package tlsio

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
	"gosrv/wsgi/ipc/tlspolicy"
	"gosrv/wsgi/loop"
)

// hello is what a client of Go's sends first.
func hello(t testing.TB) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		_ = tls.Client(far, &tls.Config{InsecureSkipVerify: true, ServerName: "a.example"}).Handshake()
	}()
	b := make([]byte, 1<<14)
	n, err := near.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// What the first bytes are is decided once: more of them change nothing but "not yet".
func FuzzInspect(f *testing.F) {
	f.Add(hello(f))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{22, 3, 1, 0, 0})
	f.Add([]byte{0x80, 46, 1, 3, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		said := HelloPartial
		for n := range len(b) + 1 {
			now := Inspect(b[:n])
			if said != HelloPartial && now != said {
				t.Fatalf("%d bytes were %v, and %d are %v", n-1, said, n, now)
			}
			if said = now; said == HelloWhole && n < recordHead {
				t.Fatalf("%d bytes are no record", n)
			}
		}
		if len(b) > 0 && Begins(b) && said == HelloPlain {
			t.Fatal("plain, and the beginning of TLS")
		}
	})
}

// The policy comes from the master; whatever is in the file, a worker says what is wrong and goes on.
func FuzzPolicy(f *testing.F) {
	p := pair(f, "a.example")
	for _, policy := range []tlspolicy.Policy{
		{Pairs: []tlspolicy.Pair{p}, Min: tls.VersionTLS12, Tickets: make([][32]byte, 2), Protos: []string{"h2"}},
		{Pairs: []tlspolicy.Pair{p}, Clients: tlspolicy.Clients{Require: 2, Authorities: p.Chain}},
	} {
		fd, err := policy.Seal()
		if err != nil {
			f.Fatal(err)
		}
		text, err := memfile.Content(fd, 1<<20)
		if err != nil {
			f.Fatal(err)
		}
		_ = unix.Close(fd)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fd, err := memfile.Written(memfile.New, "fuzz", text)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if policy, err := tlspolicy.Open(fd); err == nil {
			_, _ = newConfig(policy, nil)
		}
	})
}

// pieces writes in pieces whose lengths are given, over and over.
type pieces struct {
	net.Conn
	lengths []byte
	next    int
}

func (p *pieces) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		k := len(b)
		if len(p.lengths) > 0 {
			k = min(k, int(p.lengths[p.next%len(p.lengths)])+1)
			p.next++
		}
		m, err := p.Conn.Write(b[:k])
		n += m
		if err != nil {
			return n, err
		}
		b = b[k:]
	}
	return n, nil
}

// shared is the policy of the fuzz targets: making a certificate takes longer than a handshake.
var shared = sync.OnceValue(func() tlspolicy.Policy {
	return tlspolicy.Policy{Pairs: []tlspolicy.Pair{pair(&testing.T{}, "a")}, Min: tls.VersionTLS12}
})

// However a session's bytes are split on their way, the same text arrives, both ways.
func FuzzSplits(f *testing.F) {
	f.Add(true, []byte{0}, []byte("hello"))
	f.Add(false, []byte{4, 0, 200}, bytes.Repeat([]byte("x"), 40000))
	f.Fuzz(func(t *testing.T, newest bool, lengths, text []byte) {
		if len(text) == 0 {
			return // the client never speaks
		}
		version := uint16(tls.VersionTLS12)
		if newest {
			version = tls.VersionTLS13
		}
		policy := shared()
		h := handshakes(t, &policy)
		defer loop.Close(h.FD())
		l := newLink(t)
		_ = l.client.SetDeadline(time.Now().Add(20 * time.Second))
		client := tls.Client(&pieces{Conn: l.client, lengths: lengths}, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		echoed := make(chan []byte, 1)
		go func() {
			_, _ = client.Write(text)
			b := make([]byte, len(text))
			n, _ := io.ReadFull(client, b)
			echoed <- b[:n]
		}()
		s := l.server(t, h)
		defer s.Close()
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		got := read(t, s, len(text))
		for rest := got; len(rest) > 0; {
			n, e := s.Send(rest, false)
			if e == unix.EAGAIN {
				loop.WaitWritable(l.fd, 5000)
				continue
			}
			if e != loop.None {
				t.Fatal(e)
			}
			rest = rest[n:]
		}
		if back := <-echoed; !bytes.Equal(got, text) || !bytes.Equal(back, text) {
			t.Fatal("the text came otherwise")
		}
	})
}

// Anything in the place of a client: the handshake ends, and with it its goroutine.
func FuzzClient(f *testing.F) {
	f.Add(hello(f))
	f.Add(append(hello(f), 20, 3, 3, 0, 1, 1))
	f.Fuzz(func(t *testing.T, sent []byte) {
		if Inspect(sent) != HelloWhole {
			return
		}
		policy := shared()
		h := handshakes(t, &policy)
		defer loop.Close(h.FD())
		l := newLink(t)
		go func() { _, _ = io.Copy(io.Discard, l.client) }()
		s := h.Begin(l.fd, sent, 1)
		_ = l.client.(*net.UnixConn).CloseWrite()
		s.Edge()
		for len(h.Over()) == 0 {
			p := []unix.PollFd{{Fd: int32(h.FD()), Events: unix.POLLIN}}
			if n, err := unix.Poll(p, 10000); n == 0 && err == nil {
				t.Fatal("the handshake does not end")
			}
			s.Edge()
		}
		if s.Err() == nil {
			t.Fatal("a handshake without a client that answers")
		}
		s.Close()
	})
}
