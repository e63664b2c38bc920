package tlsio

import (
	"context"
	"crypto/tls"
	"runtime"
	"sync/atomic"

	"gosrv/wsgi/ipc/challenges"
	"gosrv/wsgi/ipc/tlspolicy"
	"gosrv/wsgi/loop"
)

// turns bounds the handshakes that compute at a time: one of Go's processors is always left
// for the loop's thread. Without it a storm of handshakes takes them all, and the loop waits
// in Go's run queue: p99 of quiet clients beside 400 RSA handshakes a second went from 395 ms
// to 4 ms. The worker's GOMAXPROCS is 2 at least.
var turns = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))

// Handshakes runs handshakes beside the loop and tells it when they are over.
type Handshakes struct {
	config atomic.Pointer[tls.Config]
	told   atomic.Bool      // tlspolicy.Policy.Environ
	asked  *challenges.File // nil: no directory asks
	over   *loop.Mailbox[*Session]
}

// NewHandshakes prepares for handshakes by the master's policy. asked is what an ACME directory
// may ask for, nil if none does; it stays the caller's.
func NewHandshakes(p *tlspolicy.Policy, asked *challenges.File) (*Handshakes, error) {
	config, err := newConfig(p, asked)
	if err != nil {
		return nil, err
	}
	over, err := loop.NewMailbox[*Session]()
	if err != nil {
		return nil, err
	}
	h := &Handshakes{over: over, asked: asked}
	h.config.Store(config)
	h.told.Store(p.Environ)
	return h, nil
}

// FD becomes readable, level-triggered, when Over has something. It goes into the loop's set.
func (h *Handshakes) FD() int { return h.over.FD() }

// Replace makes later handshakes go by another policy; connections that are open, and
// handshakes that have begun, go on with theirs. Any thread may call it.
func (h *Handshakes) Replace(p *tlspolicy.Policy) error {
	config, err := newConfig(p, h.asked)
	if err == nil {
		h.config.Store(config)
		h.told.Store(p.Environ)
	}
	return err
}

// Begin starts the handshake of a connection whose ClientHello is here; early is what was
// received, and is copied. mark is the caller's number for the connection: Over returns it.
// The descriptor is the session's until Close or Reset.
func (h *Handshakes) Begin(fd int, early []byte, mark uint64) *Session {
	s := &Session{socket: newSocket(fd, append([]byte(nil), early...)), table: h, mark: mark}
	s.conn = tls.Server(s.socket, h.config.Load())
	go s.shake()
	return s
}

// shake is the life of a handshake's goroutine.
func (s *Session) shake() {
	turns <- struct{}{}
	err := s.conn.HandshakeContext(context.Background())
	<-turns
	w := s.socket
	w.mu.Lock()
	w.shaking, s.err = false, err
	w.mu.Unlock()
	s.table.over.Put(s)
}

// Edge says that the socket may hold more for the handshake.
func (s *Session) Edge() {
	w := s.socket
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	select {
	case w.edge <- struct{}{}:
	default: // one is waiting already
	}
}

// Over returns the sessions whose handshake has ended since it was asked last. What came
// meanwhile has had its edge: the caller must read from each once.
func (h *Handshakes) Over() []*Session { return h.over.Take() }

// Mark is the number that Begin was given.
func (s *Session) Mark() uint64 { return s.mark }

// Err is why the handshake failed; nil: it did not.
func (s *Session) Err() error { return s.err }
