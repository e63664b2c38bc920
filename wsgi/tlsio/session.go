// Package tlsio speaks TLS on a loop's sockets: crypto/tls, without a goroutine or a buffer
// for each connection that waits. It knows no HTTP.
package tlsio

import (
	"crypto/tls"
	"errors"
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/loop"
)

// sealMost is how many bytes are encrypted at a time: as many records as are worth one
// system call, and as much as one client that reads nothing can make a worker keep.
const sealMost = 64 << 10

// Session is one connection's TLS. It implements loop.Layer: after the handshake it stands
// between the connection and its socket. One thread at a time reads and one sends, which
// may be different ones.
type Session struct {
	conn   *tls.Conn
	socket *socket
	table  *Handshakes
	mark   uint64 // whose connection: the owner's number for it
	err    error  // of the handshake; valid once the table has returned the session

	// The bytes that were encrypted last and are not yet all with the kernel. They were the
	// beginning of what Send was given, and come again until it has said that they are taken.
	sending sync.Mutex
	sealed  int // so many bytes
	cipher  int // so long as ciphertext
	said    int // so many of sealed were reported as taken
}

// Recv reads what the client has sent, at most len(b) bytes, without blocking. Zero bytes
// without an error is the client's end; a short count means that nothing is left, in the
// socket or here.
func (s *Session) Recv(b []byte) (int, unix.Errno) {
	total := 0
	for total < len(b) {
		n, err := s.conn.Read(b[total:])
		total += n
		switch {
		case err == nil:
			continue
		case err == errAgain && total > 0:
			return total, loop.None
		case total > 0: // the end, or a fault, is found again by the next call
			return total, loop.None
		case err == errAgain:
			return 0, unix.EAGAIN
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return 0, loop.None // with or without TLS's goodbye: many clients say none
		}
		return 0, unix.ECONNRESET
	}
	return total, loop.None
}

// Send encrypts and writes without blocking. As with a plain socket the count may be short,
// and the rest must be sent again as it is: it is encrypted already.
func (s *Session) Send(b []byte, more bool) (int, unix.Errno) {
	return s.Sendv(&[3][]byte{b}, more)
}

// Sendv is Send of up to three buffers in order, which leave in one record if they are small.
func (s *Session) Sendv(segs *[3][]byte, more bool) (int, unix.Errno) {
	s.sending.Lock()
	defer s.sending.Unlock()
	total := len(segs[0]) + len(segs[1]) + len(segs[2])
	if total == 0 {
		return 0, loop.None
	}
	if s.sealed == 0 {
		if e := s.seal(segs, more && total <= sealMost); e != loop.None {
			return 0, e
		}
	}
	return s.settle()
}

// seal encrypts the beginning of segs into what the socket is to send.
func (s *Session) seal(segs *[3][]byte, more bool) unix.Errno {
	w := s.socket
	w.mu.Lock()
	w.push() // an answer to a key update may be waiting
	if w.broken || w.closed {
		w.mu.Unlock()
		return unix.EPIPE
	}
	if len(w.out) > 0 {
		w.mu.Unlock()
		return unix.EAGAIN
	}
	w.cork, w.more = true, more
	w.mu.Unlock()
	plain := segs[0]
	if len(segs[1])+len(segs[2]) > 0 {
		buf := plainBuffers.Get().(*[sealMost]byte)
		defer plainBuffers.Put(buf)
		n := 0
		for i := range segs {
			n += copy(buf[n:], segs[i])
		}
		plain = buf[:n]
	}
	plain = plain[:min(len(plain), sealMost)]
	_, err := s.conn.Write(plain)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cork = false
	if err != nil {
		return unix.EPIPE
	}
	s.sealed, s.cipher, s.said = len(plain), len(w.out), 0
	return loop.None
}

// settle sends what is encrypted and says how many more plain bytes have left: in
// proportion while a part waits, so that a slow client's progress shows, and the last one
// only when nothing waits any more.
func (s *Session) settle() (int, unix.Errno) {
	w := s.socket
	w.mu.Lock()
	defer w.mu.Unlock()
	w.push()
	if w.broken || w.closed {
		return 0, unix.EPIPE
	}
	if len(w.out) == 0 {
		n := s.sealed - s.said
		s.sealed, w.more = 0, false
		return n, loop.None
	}
	left := int(int64(s.cipher-len(w.out)) * int64(s.sealed-1) / int64(s.cipher))
	n := max(left-s.said, 0)
	s.said += n
	if n == 0 {
		return 0, unix.EAGAIN
	}
	return n, loop.None
}

var plainBuffers = sync.Pool{New: func() any { return new([sealMost]byte) }}

// SendFile reads up to n bytes of file from *off and sends them, as Send; it advances *off
// by what has left. Zero bytes without an error is the end of the file.
func (s *Session) SendFile(file int, off *int64, n int) (int, unix.Errno) {
	buf := plainBuffers.Get().(*[sealMost]byte)
	defer plainBuffers.Put(buf)
	read, err := unix.Pread(file, buf[:min(n, sealMost)], *off)
	if err != nil {
		return 0, err.(unix.Errno)
	}
	if read == 0 {
		return 0, loop.None
	}
	sent, e := s.Send(buf[:read], false)
	*off += int64(sent)
	return sent, e
}

// HalfClose says goodbye and sends the end of our side; reading goes on.
func (s *Session) HalfClose() {
	if s.open() {
		_ = s.conn.CloseWrite()
	}
	w := s.socket
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more = false; !w.closed {
		w.push()
		loop.HalfClose(w.fd)
	}
}

// open tells whether the handshake is over and went well.
func (s *Session) open() bool {
	w := s.socket
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.shaking && !w.closed && s.err == nil
}

// Close ends the connection for both sides.
func (s *Session) Close() {
	if s.open() {
		_ = s.conn.CloseWrite()
	}
	s.shut(loop.Close)
}

// Reset ends it so that the client must not take what it has for the whole.
func (s *Session) Reset() { s.shut(loop.Reset) }

// Unconfirmed is how many bytes of what was sent, encrypted, the client has not confirmed.
func (s *Session) Unconfirmed() int { return loop.Unconfirmed(s.socket.fd) }

// WaitReadable is loop.WaitReadable of the socket.
func (s *Session) WaitReadable(timeout int) bool { return loop.WaitReadable(s.socket.fd, timeout) }

// WaitWritable is loop.WaitWritable of the socket.
func (s *Session) WaitWritable(timeout int) bool { return loop.WaitWritable(s.socket.fd, timeout) }

// shut closes the descriptor, and lets a handshake that waits end.
func (s *Session) shut(end func(fd int)) {
	w := s.socket
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	close(w.edge)
	w.release()
	end(w.fd)
}
