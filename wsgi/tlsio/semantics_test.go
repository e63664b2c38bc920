package tlsio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"gosrv/wsgi/ipc/tlspolicy"
)

// What this package rests on is nowhere promised by crypto/tls: how it takes a net.Conn that says "nothing now". A release of Go
// that does otherwise is to fail here, not under somebody's load.

// scripted is a net.Conn that hands out its bytes one at a time, with errAgain before each, and keeps what is written.
type scripted struct {
	net.Conn // nil: nothing else is asked for
	in, out  []byte
	again    bool
	refusal  error // of writes
}

func (s *scripted) Read(p []byte) (int, error) {
	if s.again = !s.again; s.again || len(s.in) == 0 {
		return 0, errAgain
	}
	n := copy(p[:1], s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) {
	if s.refusal != nil {
		return len(p) / 2, s.refusal
	}
	s.out = append(s.out, p...)
	return len(p), nil
}

func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// exchangeable is a net.Conn whose inside is changed after the handshake.
type exchangeable struct{ net.Conn }

// shaken gives both ends of a session, and their connections.
func shaken(t *testing.T, version uint16) (client, server *tls.Conn, clients, servers *exchangeable) {
	t.Helper()
	policy := &tlspolicy.Policy{Pairs: []tlspolicy.Pair{pair(t, "a")}, Min: version, Max: version}
	config, err := newConfig(policy, nil) // no tickets: net.Pipe has no room for one
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	clients, servers = &exchangeable{near}, &exchangeable{far}
	client, server = tls.Client(clients, &tls.Config{InsecureSkipVerify: true}), tls.Server(servers, config)
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	if err := errors.Join(server.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return client, server, clients, servers
}

func TestGoReadsOnAfterATemporaryError(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client, server, clients, servers := shaken(t, version)
		sink := &scripted{}
		clients.Conn = sink
		for range 3 {
			_, _ = client.Write([]byte("hello, world"))
		}
		servers.Conn = &scripted{in: sink.out}
		var got []byte
		times := 0
		for buf := make([]byte, 64); len(got) < 36; {
			n, err := server.Read(buf)
			got = append(got, buf[:n]...)
			if err == nil {
				continue
			}
			if times++; err != errAgain || times > len(sink.out)+10 {
				t.Fatalf("TLS %x, after %q: %v: Recv loses connections", version, got, err)
			}
		}
		if !bytes.Equal(got, bytes.Repeat([]byte("hello, world"), 3)) || times < 36 {
			t.Errorf("TLS %x: %q after %d times", version, got, times)
		}
	}
}

func TestGoEndsAHandshakeAtATemporaryError(t *testing.T) {
	policy := shared()
	config, err := newConfig(&policy, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := tls.Server(&scripted{in: hello(t)}, config)
	if first, second := server.Handshake(), server.Handshake(); first == nil || first != second {
		t.Errorf("%v, then %v: a handshake could be driven without a goroutine now", first, second)
	}
}

func TestGoEndsASessionAtAShortWrite(t *testing.T) {
	_, server, _, servers := shaken(t, tls.VersionTLS13)
	s := &scripted{refusal: errAgain}
	servers.Conn = s
	_, first := server.Write([]byte("x"))
	s.refusal = nil
	_, second := server.Write([]byte("y"))
	if first == nil || second == nil || len(s.out) > 0 {
		t.Errorf("%v, then %v, %d bytes: socket.Write need not take everything now", first, second, len(s.out))
	}
}
