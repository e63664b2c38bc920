// Package workerctl is the conversation between the master and one worker:
// the transport (JSON packets with descriptors over a SOCK_SEQPACKET pair) and
// the messages. The zygote channel of cmd/gosrv uses the same transport.
//
//	master                               worker (shim first, then Go)
//	  SpawnWorker + channel -> zygote
//	  Serve + fds      --------------->    (waits in the socket until Go reads)
//	                   <---------------  WorkerSpawned   right after the fork
//	                   <---------------  WorkerImported  what zygotes could import, if they do
//	                   <---------------  WorkerReady     application imported, loop runs
//	                                     or WorkerFailed, then exit
//	  Refork + fds, then Drain ------->     its last act is to fork a zygote
//	  Drain | Quit | ReopenLogs ------>
//	                   <---------------  WorkerWantsSuccessor, after max_requests
//	                   <---------------  WorkerDraining  no new work from here
//	                   <---------------  WorkerExiting   last words
//	                   <---------------  WorkerTimedOut  stuck in the application: abort it
//	  EOF              <-------------->  the other side is gone
package workerctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// MaxPacket is the largest packet in bytes; a larger message is refused by Send.
const MaxPacket = 128 << 10

// maxFDs bounds the descriptors of one packet; the kernel's own limit is 253.
const maxFDs = 128

// ErrWouldBlock is returned by TryRecv when no packet is waiting, and by Send
// when the peer has not read for so long that the socket is full.
var ErrWouldBlock = errors.New("control socket would block")

// Message is anything that can be sent: Type is the name that goes on the wire.
type Message interface{ Type() string }

// Conn is one end of a control channel. Send may be called from any goroutine;
// Recv and TryRecv from one at a time.
type Conn struct {
	fd      int // owned; -1 after Close
	sending sync.Mutex
}

// NewConn wraps a connected SOCK_SEQPACKET descriptor and owns it from here on.
func NewConn(fd int) *Conn { return &Conn{fd: fd} }

// Pair makes a connected pair. The second end is a bare descriptor (CLOEXEC)
// that the caller hands to another process and then closes.
func Pair() (*Conn, int, error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("making control socket: %w", err)
	}
	return NewConn(p[0]), p[1], nil
}

// FD is the descriptor, for epoll (level-triggered: read until ErrWouldBlock).
// Conn keeps owning it.
func (c *Conn) FD() int { return c.fd }

// Close closes the descriptor. No call may be running in another goroutine:
// a reader is woken first with Shutdown.
func (c *Conn) Close() error {
	fd := c.fd
	if fd < 0 {
		return nil
	}
	c.fd = -1
	return unix.Close(fd)
}

// Shutdown ends both directions: a Recv blocked on either end returns io.EOF.
func (c *Conn) Shutdown() { _ = unix.Shutdown(c.fd, unix.SHUT_RDWR) }

// Send sends one message with descriptors, which stay the caller's. It never
// blocks: ErrWouldBlock if the peer does not read, EPIPE if it is gone.
func (c *Conn) Send(msg Message, fds ...int) error {
	packet, err := encode(msg)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	for {
		err = unix.Sendmsg(c.fd, packet, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		switch err {
		case nil:
			return nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return ErrWouldBlock
		}
		return fmt.Errorf("sending %s: %w", msg.Type(), err)
	}
}

// Recv waits for one packet. typ is its message name, raw the whole JSON object
// (the caller's), fds its descriptors: CLOEXEC, owned by the caller.
// io.EOF when the other side is gone and all it sent was read.
func (c *Conn) Recv() (typ string, raw json.RawMessage, fds []int, err error) { return c.recv(0) }

// TryRecv is Recv for an event loop: ErrWouldBlock if no packet is waiting.
func (c *Conn) TryRecv() (typ string, raw json.RawMessage, fds []int, err error) {
	return c.recv(unix.MSG_DONTWAIT)
}

// recv looks how long the packet is first: a buffer for the largest would be kept
// for each channel, and packets are few.
func (c *Conn) recv(flags int) (string, json.RawMessage, []int, error) {
	n, _, _, err := c.recvmsg(nil, nil, flags|unix.MSG_PEEK|unix.MSG_TRUNC)
	if err != nil {
		return "", nil, nil, err
	}
	packet, oob := make([]byte, min(n, MaxPacket)), make([]byte, unix.CmsgSpace(maxFDs*4))
	n, oobn, got, err := c.recvmsg(packet, oob, flags)
	if err != nil {
		return "", nil, nil, err
	}
	return decode(packet[:n], oob[:oobn], got)
}

func (c *Conn) recvmsg(packet, oob []byte, flags int) (n, oobn, got int, err error) {
	for {
		n, oobn, got, _, err = unix.Recvmsg(c.fd, packet, oob, flags|unix.MSG_CMSG_CLOEXEC)
		switch err {
		case nil:
			return n, oobn, got, nil
		case unix.EINTR:
		case unix.ECONNRESET:
			// The peer left packets of ours unread. The error is reported once
			// and before what it had sent: read on, EOF follows.
		case unix.EAGAIN:
			return 0, 0, 0, ErrWouldBlock
		default:
			return 0, 0, 0, fmt.Errorf("receiving: %w", err)
		}
	}
}

// decode checks one received packet; descriptors of a refused one are closed.
func decode(packet, oob []byte, flags int) (string, json.RawMessage, []int, error) {
	fds, err := parseRights(oob)
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("control packet truncated")
	}
	if err == nil && len(packet) == 0 {
		err = io.EOF
	}
	var head struct {
		Type string `json:"type"`
	}
	if err == nil {
		if err = json.Unmarshal(packet, &head); err != nil {
			err = fmt.Errorf("reading control packet: %w", err)
		}
	}
	if err != nil {
		closeAll(fds)
		return "", nil, nil, err
	}
	return head.Type, packet, fds, nil
}

func parseRights(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("reading descriptors: %w", err)
	}
	var fds []int
	for i := range msgs {
		got, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue // credentials or another kind: not ours, nothing to close
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// encode puts the type in front of the message's own fields.
func encode(msg Message) ([]byte, error) {
	body, err := json.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", msg.Type(), err)
	}
	if len(body) < 2 || body[0] != '{' {
		return nil, fmt.Errorf("encoding %s: not an object", msg.Type())
	}
	packet := append([]byte(`{"type":"`), msg.Type()...)
	packet = append(packet, '"')
	if len(body) > 2 {
		packet = append(packet, ',')
	}
	packet = append(packet, body[1:]...)
	if len(packet) > MaxPacket {
		return nil, fmt.Errorf("encoding %s: %d bytes, at most %d fit a packet", msg.Type(), len(packet), MaxPacket)
	}
	return packet, nil
}
