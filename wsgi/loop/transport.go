package loop

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Transport carries the bytes of one connection: all that is done with its
// socket goes through here. A plain socket pays one branch for the possibility of
// a layer, and no indirect call; who owns the connection owns it.
type Transport struct {
	fd    int
	layer Layer // nil: the bytes are the socket's
}

// Layer stands between a connection and its socket: TLS, or a stream of HTTP/2, which has no descriptor of its own. Its methods are those
// of Transport and keep their promises: they do not wait for the peer, a short
// count from Recv means that nothing is left, a short one from Send that the rest
// is to come again as it is.
type Layer interface {
	Recv(b []byte) (int, unix.Errno)
	Send(b []byte, more bool) (int, unix.Errno)
	Sendv(segs *[3][]byte, more bool) (int, unix.Errno)
	SendFile(file int, off *int64, n int) (int, unix.Errno)
	HalfClose()
	Close()
	Reset()
	Unconfirmed() int
	WaitReadable(timeout int) bool
	WaitWritable(timeout int) bool
}

// NewTransport makes the transport of a connected, non-blocking socket.
func NewTransport(fd int) Transport { return Transport{fd: fd} }

// Over is the transport of the same socket by way of layer, which closes it.
func (t *Transport) Over(layer Layer) Transport { return Transport{t.fd, layer} }

// Plain tells whether the connection's bytes are the socket's: they may be sent,
// peeked at and handed over by whoever has the descriptor.
func (t *Transport) Plain() bool { return t.layer == nil }

// FD is the socket, for epoll and those who wait for it.
func (t *Transport) FD() int { return t.fd }

// Recv reads what is here, as the function Recv.
func (t *Transport) Recv(b []byte) (int, unix.Errno) {
	if t.layer != nil {
		return t.layer.Recv(b)
	}
	return Recv(t.fd, b)
}

// Recvv is Recv into several buffers in order.
func (t *Transport) Recvv(iov []unix.Iovec) (int, unix.Errno) {
	if t.layer != nil {
		return t.recvv(iov)
	}
	return Recvv(t.fd, iov)
}

// recvv is Recvv by way of the layer. The layer is not shown iov, which stays
// its owner's local variable so.
func (t *Transport) recvv(iov []unix.Iovec) (int, unix.Errno) {
	total := 0
	for i := range iov {
		b := unsafe.Slice(iov[i].Base, int(iov[i].Len))
		n, e := t.layer.Recv(b)
		total += n
		if e != None && total == 0 {
			return 0, e
		}
		if n < len(b) {
			break
		}
	}
	return total, None
}

// Send writes without blocking, as the function Send.
func (t *Transport) Send(b []byte, more bool) (int, unix.Errno) {
	if t.layer != nil {
		return t.layer.Send(b, more)
	}
	return Send(t.fd, b, more)
}

// Sendv writes up to three buffers in order, as Send.
func (t *Transport) Sendv(segs *[3][]byte, more bool) (int, unix.Errno) {
	if t.layer != nil {
		return t.layer.Sendv(segs, more)
	}
	return Sendv(t.fd, segs, more)
}

// SendFile moves up to n bytes of a file from *off, as the function SendFile.
func (t *Transport) SendFile(file int, off *int64, n int) (int, unix.Errno) {
	if t.layer != nil {
		return t.layer.SendFile(file, off, n)
	}
	return SendFile(t.fd, file, off, n)
}

// HalfClose sends the end of our side; reading goes on.
func (t *Transport) HalfClose() {
	if t.layer != nil {
		t.layer.HalfClose()
		return
	}
	HalfClose(t.fd)
}

// Close ends the connection for both sides.
func (t *Transport) Close() {
	if t.layer != nil {
		t.layer.Close()
		return
	}
	Close(t.fd)
}

// Reset ends it so that the peer must not take what it has for the whole.
func (t *Transport) Reset() {
	if t.layer != nil {
		t.layer.Reset()
		return
	}
	Reset(t.fd)
}

// Drop closes the descriptor and leaves the connection to whoever has a copy.
func (t *Transport) Drop() { Drop(t.fd) }

// Unconfirmed is how many bytes sent the peer has not confirmed.
func (t *Transport) Unconfirmed() int {
	if t.layer != nil {
		return t.layer.Unconfirmed()
	}
	return Unconfirmed(t.fd)
}

// Received is how many ns ago bytes have come last, to the millisecond; false: the kernel does not say.
func (t *Transport) Received() (ago int64, known bool) { return Received(t.fd) }

// Unread is how many bytes wait to be received.
func (t *Transport) Unread() int { return Unread(t.fd) }

// WaitReadable blocks until there is something to receive, or so many
// milliseconds passed (-1: for ever); it tells whether there is.
func (t *Transport) WaitReadable(timeout int) bool {
	if t.layer != nil {
		return t.layer.WaitReadable(timeout)
	}
	return WaitReadable(t.fd, timeout)
}

// WaitWritable blocks until the socket takes bytes again, likewise.
func (t *Transport) WaitWritable(timeout int) bool {
	if t.layer != nil {
		return t.layer.WaitWritable(timeout)
	}
	return WaitWritable(t.fd, timeout)
}
