package tlsio

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/loop"
)

// socket is the net.Conn under a tls.Conn. While the handshake runs, Read waits, in a
// goroutine of its own; afterwards it says errAgain instead, which crypto/tls hands on and
// forgets. Write always takes everything, since crypto/tls holds a connection for broken
// after a short write: what the kernel does not take is kept.
//
// mu guards all of it. Whoever closes the descriptor does so under mu, so that a handshake
// that still runs cannot reach the descriptor's next owner.
type socket struct {
	mu      sync.Mutex
	fd      int
	closed  bool
	early   []byte   // received before the handshake began
	out     []byte   // ciphertext that the kernel has not taken
	cork    bool     // Write only keeps
	more    bool     // the next send has something behind it: MSG_MORE
	broken  bool     // the kernel refuses what is sent: the peer is gone
	shaking bool     // the handshake's goroutine reads
	file    *os.File // the descriptor, once the connection is a tunnel's: everything may wait then
	edge    chan struct{}
}

func newSocket(fd int, early []byte) *socket {
	return &socket{fd: fd, early: early, shaking: true, edge: make(chan struct{}, 1)}
}

// again is EAGAIN as crypto/tls understands it.
type again struct{}

func (again) Error() string   { return "nothing to read now" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

var errAgain net.Error = again{}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if s.file != nil {
		return s.file.Read(p)
	}
	for {
		n, err, wait := s.receive(p)
		if !wait {
			return n, err
		}
		if err := s.await(); err != nil {
			return 0, err
		}
	}
}

// receive reads once. wait: there is nothing yet, and the caller is the handshake.
func (s *socket) receive(p []byte) (n int, err error, wait bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed, false
	}
	if len(s.early) > 0 {
		n = copy(p, s.early)
		if s.early = s.early[n:]; len(s.early) == 0 {
			s.early = nil
		}
		return n, nil, false
	}
	n, e := loop.Recv(s.fd, p)
	switch {
	case e == loop.None && n > 0:
		return n, nil, false
	case e == loop.None:
		return 0, io.EOF, false
	case e == unix.EAGAIN && s.shaking:
		return 0, nil, true
	case e == unix.EAGAIN:
		return 0, errAgain, false
	}
	return 0, e, false
}

// await blocks the handshake until the loop has seen an edge. Whoever waits does not
// compute, so its turn is another's.
func (s *socket) await() error {
	<-turns
	_, open := <-s.edge
	turns <- struct{}{}
	if !open {
		return net.ErrClosed
	}
	return nil
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	if s.file != nil {
		return s.file.Write(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if s.out == nil {
		s.out = outBuffers.Get().(*[outSize]byte)[:0]
	}
	s.out = append(s.out, p...)
	if !s.cork {
		s.push()
	}
	return len(p), nil
}

// push sends what is kept, as far as the kernel takes it. The caller holds mu.
func (s *socket) push() {
	for len(s.out) > 0 && !s.broken {
		n, e := loop.Send(s.fd, s.out, s.more)
		if e != loop.None {
			s.broken = e != unix.EAGAIN && e != unix.ENOBUFS
			return
		}
		rest := copy(s.out, s.out[n:])
		s.out = s.out[:rest]
	}
	s.release()
}

// release gives the buffer back once nothing is in it: an idle connection keeps none.
func (s *socket) release() {
	if cap(s.out) == outSize {
		outBuffers.Put((*[outSize]byte)(s.out[:outSize]))
	}
	s.out = nil
}

// outSize holds the records of sealMost bytes: 5 bytes of header, a nonce and a tag each.
const outSize = sealMost + 1<<10

var outBuffers = sync.Pool{New: func() any { return new([outSize]byte) }}

// Close implements net.Conn. The connection is closed by Session, not by crypto/tls.
func (s *socket) Close() error { return nil }

// LocalAddr implements net.Conn; nobody asks.
func (s *socket) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn; nobody asks.
func (s *socket) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn: the loop's timers end what takes too long.
func (s *socket) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn, likewise.
func (s *socket) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn; crypto/tls sets one for its goodbye.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
