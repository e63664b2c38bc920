package tlsio

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/tlspolicy"
	"gosrv/wsgi/loop"
)

// pair makes a self-signed certificate for a name.
func pair(t testing.TB, name string) tlspolicy.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return tlspolicy.Pair{
		Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
	}
}

// link is a server's end of a socket pair and a client's.
type link struct {
	fd     int
	client net.Conn
}

func newLink(t testing.TB) link {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[1]), "client")
	defer file.Close()
	client, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return link{fds[0], client}
}

// server does what the loop does until the handshake is over.
func (l link) server(t testing.TB, h *Handshakes) *Session {
	t.Helper()
	var early []byte
	for Inspect(early) == HelloPartial {
		loop.WaitReadable(l.fd, 5000)
		var b [100]byte
		n, e := loop.Recv(l.fd, b[:])
		if e != loop.None && e != unix.EAGAIN {
			t.Fatal(e)
		}
		early = append(early, b[:n]...)
	}
	s := h.Begin(l.fd, early, 7)
	for {
		if over := h.Over(); len(over) == 1 {
			return over[0]
		}
		p := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(h.FD()), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, 5000); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		if p[0].Revents != 0 {
			s.Edge()
		}
	}
}

func handshakes(t testing.TB, p *tlspolicy.Policy) *Handshakes {
	t.Helper()
	h, err := NewHandshakes(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// read receives until want is here.
func read(t testing.TB, s *Session, want int) []byte {
	t.Helper()
	got := make([]byte, 0, want)
	for len(got) < want {
		var b [1 << 15]byte
		n, e := s.Recv(b[:min(len(b), want-len(got))])
		if e == unix.EAGAIN {
			loop.WaitReadable(s.socket.fd, 5000)
			continue
		}
		if e != loop.None || n == 0 {
			t.Fatalf("%d bytes, then %d, %v", len(got), n, e)
		}
		got = append(got, b[:n]...)
	}
	return got
}

func TestBytesCrossBothWays(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l := newLink(t)
		big := make([]byte, 3<<20)
		_, _ = rand.Read(big)
		client := tls.Client(l.client, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		echoed := make(chan []byte, 1)
		go func() {
			_, _ = client.Write(big)
			b := make([]byte, len(big))
			n, _ := io.ReadFull(client, b)
			echoed <- b[:n]
		}()
		s := l.server(t, handshakes(t, &tlspolicy.Policy{Pairs: []tlspolicy.Pair{pair(t, "a")}, Min: tls.VersionTLS12}))
		if s.Err() != nil || s.Mark() != 7 || s.conn.ConnectionState().Version != version {
			t.Fatal(s.Err(), s.Mark(), s.conn.ConnectionState().Version)
		}
		got := read(t, s, len(big))
		if !bytes.Equal(got, big) {
			t.Fatal("what the client sent came otherwise")
		}
		for rest := got; len(rest) > 0; {
			n, e := s.Sendv(&[3][]byte{rest[:len(rest)/3], rest[len(rest)/3 : len(rest)/2], rest[len(rest)/2:]}, false)
			if e == unix.EAGAIN || e == loop.None && n < len(rest) && n == 0 {
				loop.WaitWritable(l.fd, 5000)
				continue
			}
			if e != loop.None {
				t.Fatal(e)
			}
			rest = rest[n:]
		}
		if !bytes.Equal(<-echoed, big) {
			t.Fatal("what the server sent came otherwise")
		}
		_ = client.CloseWrite()
		loop.WaitReadable(l.fd, 5000)
		if n, e := s.Recv(make([]byte, 10)); n != 0 || e != loop.None {
			t.Fatalf("the client's goodbye: %d, %v", n, e)
		}
		s.Close()
		s.Close()
	}
}

// A short count is the promise that nothing is left: the loop does not look again before
// the next edge.
func TestShortReadMeansNothingIsLeft(t *testing.T) {
	l := newLink(t)
	client := tls.Client(l.client, &tls.Config{InsecureSkipVerify: true})
	go func() {
		for range 20 {
			_, _ = client.Write([]byte("0123456789"))
		}
		_, _ = io.Copy(io.Discard, client)
	}()
	s := l.server(t, handshakes(t, &tlspolicy.Policy{Pairs: []tlspolicy.Pair{pair(t, "a")}, Min: tls.VersionTLS12}))
	total := 0
	for total < 200 {
		var b [1000]byte
		n, e := s.Recv(b[:])
		total += n
		if e == loop.None && n > 0 && n < len(b) {
			if n, e := loop.Recv(l.fd, b[:1]); e == loop.None && n > 0 && total == 200 {
				t.Fatal("a short count left bytes in the socket")
			}
			if total < 200 {
				loop.WaitReadable(l.fd, 5000)
			}
			break
		}
		if e == unix.EAGAIN {
			loop.WaitReadable(l.fd, 5000)
		}
	}
	s.Close()
}

// A client that reads slowly shows progress, and the last byte counts only when all of
// the ciphertext is with the kernel.
func TestSlowReaderShowsProgress(t *testing.T) {
	l := newLink(t)
	_ = unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
	client := tls.Client(l.client, &tls.Config{InsecureSkipVerify: true})
	ready := make(chan error, 1)
	go func() { ready <- client.Handshake() }()
	s := l.server(t, handshakes(t, &tlspolicy.Policy{Pairs: []tlspolicy.Pair{pair(t, "a")}, Min: tls.VersionTLS12}))
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	whole := bytes.Repeat([]byte("x"), 60000)
	rest, steps := whole, 0
	for len(rest) > 0 {
		n, e := s.Send(rest, false)
		if e != loop.None && e != unix.EAGAIN {
			t.Fatal(e)
		}
		if n == len(rest) && len(s.socket.out) > 0 {
			t.Fatal("all was said to be taken while ciphertext waits")
		}
		if n > 0 {
			steps++
		}
		if rest = rest[n:]; len(rest) > 0 {
			raw := make([]byte, 1000) // of records that nobody decrypts
			if _, err := io.ReadFull(l.client, raw); err != nil {
				t.Fatal(err)
			}
		}
	}
	if steps < 5 {
		t.Fatalf("progress showed in %d steps", steps)
	}
	s.Close()
}

// A handshake that waits for its client ends with the connection, and cannot reach the
// descriptor's next owner.
func TestCloseEndsHandshake(t *testing.T) {
	l := newLink(t)
	h := handshakes(t, &tlspolicy.Policy{Pairs: []tlspolicy.Pair{pair(t, "a")}, Min: tls.VersionTLS12})
	hello := make(chan []byte, 1)
	mine, theirs := net.Pipe()
	go func() { _ = tls.Client(theirs, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	go func() {
		b := make([]byte, 4096)
		n, _ := mine.Read(b)
		hello <- b[:n]
	}()
	s := h.Begin(l.fd, <-hello, 1)
	first := make([]byte, 1)
	if _, err := io.ReadFull(l.client, first); err != nil || first[0] != handshakeRecord {
		t.Fatal(first, err)
	}
	s.Close()
	loop.WaitReadable(h.FD(), 5000)
	over := h.Over()
	if len(over) != 1 || !errors.Is(over[0].Err(), net.ErrClosed) {
		t.Fatal(over)
	}
	_ = mine.Close()
}

func TestInspect(t *testing.T) {
	for text, want := range map[string]Hello{
		"": HelloPartial, "\x16": HelloPartial, "\x16\x03\x01\x00": HelloPartial, "\x16\x03\x01\x00\x02a": HelloPartial,
		"\x16\x03\x01\x00\x02ab": HelloWhole, "\x16\x03\x01\x00\x02abc": HelloWhole,
		"GET / HTTP/1.1": HelloPlain, "PRI * HTTP/2.0": HelloPlain, "\r\n": HelloPlain,
		"\x15\x03\x01": HelloForeign, "\x16\x02": HelloForeign, "\x16\x03\x01\x00\x00": HelloForeign, "\x16\x03\x01\xff\xff": HelloForeign, "\x80\x2e\x01": HelloForeign,
	} {
		if got := Inspect([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// What the application reads and writes at its end of a tunnel is what the client writes and
// reads, and each side's end is the other's.
func TestTunnel(t *testing.T) {
	l := newLink(t)
	client := tls.Client(l.client, &tls.Config{InsecureSkipVerify: true})
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	back := make(chan []byte, 1)
	go func() {
		_, _ = client.Write(sent)
		_ = client.CloseWrite()
		all, _ := io.ReadAll(client)
		back <- all
	}()
	s := l.server(t, handshakes(t, &tlspolicy.Policy{Pairs: []tlspolicy.Pair{pair(t, "a")}, Min: tls.VersionTLS12}))
	head := read(t, s, 1000)
	fd, err := s.Tunnel()
	if err != nil {
		t.Fatal(err)
	}
	app := os.NewFile(uintptr(fd), "app")
	rest, err := io.ReadAll(app)
	if err != nil || !bytes.Equal(append(head, rest...), sent) {
		t.Fatal("the application has read something else", err, len(rest))
	}
	if _, err := app.Write(sent); err != nil {
		t.Fatal(err)
	}
	_ = app.Close()
	if !bytes.Equal(<-back, sent) {
		t.Fatal("the client has read something else")
	}
}
