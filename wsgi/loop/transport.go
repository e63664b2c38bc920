package loop

import "golang.org/x/sys/unix"

// Transport carries the bytes of one connection: all that is done with its
// socket goes through here. It is a concrete type with one kind, plain sockets,
// so that no call is an indirect one; who owns the connection owns it.
type Transport struct{ fd int }

// NewTransport makes the transport of a connected, non-blocking socket.
func NewTransport(fd int) Transport { return Transport{fd} }

// FD is the socket, for epoll and those who wait for it.
func (t *Transport) FD() int { return t.fd }

// Recv reads what is here, as the function Recv.
func (t *Transport) Recv(b []byte) (int, unix.Errno) { return Recv(t.fd, b) }

// Recvv is Recv into several buffers in order.
func (t *Transport) Recvv(iov []unix.Iovec) (int, unix.Errno) { return Recvv(t.fd, iov) }

// Send writes without blocking, as the function Send.
func (t *Transport) Send(b []byte, more bool) (int, unix.Errno) { return Send(t.fd, b, more) }

// Sendv writes up to three buffers in order, as Send.
func (t *Transport) Sendv(segs *[3][]byte, more bool) (int, unix.Errno) {
	return Sendv(t.fd, segs, more)
}

// SendFile moves up to n bytes of a file from *off, as the function SendFile.
func (t *Transport) SendFile(file int, off *int64, n int) (int, unix.Errno) {
	return SendFile(t.fd, file, off, n)
}

// HalfClose sends the end of our side; reading goes on.
func (t *Transport) HalfClose() { HalfClose(t.fd) }

// Close ends the connection for both sides.
func (t *Transport) Close() { Close(t.fd) }

// Reset ends it so that the peer must not take what it has for the whole.
func (t *Transport) Reset() { Reset(t.fd) }

// Drop closes the descriptor and leaves the connection to whoever has a copy.
func (t *Transport) Drop() { Drop(t.fd) }

// Unconfirmed is how many bytes sent the peer has not confirmed.
func (t *Transport) Unconfirmed() int { return Unconfirmed(t.fd) }

// Unread is how many bytes wait to be received.
func (t *Transport) Unread() int { return Unread(t.fd) }

// WaitReadable blocks until there is something to receive, or so many
// milliseconds passed (-1: for ever); it tells whether there is.
func (t *Transport) WaitReadable(timeout int) bool { return WaitReadable(t.fd, timeout) }

// WaitWritable blocks until the socket takes bytes again, likewise.
func (t *Transport) WaitWritable(timeout int) bool { return WaitWritable(t.fd, timeout) }
