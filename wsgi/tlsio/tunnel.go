package tlsio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// parting is how long a client may be silent after the application has closed its side.
const parting = 10 * time.Second

// Tunnel gives the connection to the application: the returned descriptor (CLOEXEC, blocking)
// is the caller's, and what is read from and written to it is the plain text. The session
// must be in no epoll set any more. From here on the connection ends by itself, when both
// sides have ended, and Close and Reset must not be called.
//
// Two goroutines do it, over Go's own poller: a connection that waits holds no thread.
func (s *Session) Tunnel() (int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket for the application: %w", err)
	}
	near := os.NewFile(uintptr(pair[0]), "tunnel")
	ours, err := net.FileConn(near) // a copy, non-blocking
	_ = near.Close()
	if err != nil {
		_ = unix.Close(pair[1])
		return -1, fmt.Errorf("making a socket for the application: %w", err)
	}
	w := s.socket
	w.mu.Lock()
	w.push()
	_ = unix.SetNonblock(w.fd, true)             // the application may have asked for the opposite
	w.file = os.NewFile(uintptr(w.fd), "client") // non-blocking, so it goes into Go's poller
	rest := append([]byte(nil), w.out...)
	w.release()
	w.mu.Unlock()
	t := &tunnel{session: s, app: ours.(*net.UnixConn), ended: make(chan struct{}, 2)}
	go t.out(rest)
	go t.in()
	go t.end()
	return pair[1], nil
}

// tunnel is one of them.
type tunnel struct {
	session *Session
	app     *net.UnixConn
	ended   chan struct{}
}

// out carries what the application writes. rest is ciphertext that waited.
func (t *tunnel) out(rest []byte) {
	file := t.session.socket.file
	_, err := file.Write(rest)
	if err == nil {
		_, err = io.Copy(tlsWriter{t.session}, t.app)
	}
	if err == nil {
		_ = t.session.conn.CloseWrite()
	}
	_ = unix.Shutdown(t.session.socket.fd, unix.SHUT_WR)
	_ = file.SetReadDeadline(time.Now().Add(parting))
	t.ended <- struct{}{}
}

// in carries what the client sends.
func (t *tunnel) in() {
	buf := make([]byte, 16<<10)
	for {
		n, err := t.session.conn.Read(buf)
		if n > 0 {
			if _, bad := t.app.Write(buf[:n]); bad != nil {
				break // the application has closed
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				_ = t.app.CloseRead()
			}
			break
		}
	}
	_ = t.app.CloseWrite()
	t.ended <- struct{}{}
}

// end closes both sockets when both directions are over.
func (t *tunnel) end() {
	<-t.ended
	<-t.ended
	_ = t.app.Close()
	_ = t.session.socket.file.Close()
}

// tlsWriter hides tls.Conn's other methods, with which io.Copy would try to be clever.
type tlsWriter struct{ s *Session }

// Write implements io.Writer.
func (w tlsWriter) Write(p []byte) (int, error) { return w.s.conn.Write(p) }
