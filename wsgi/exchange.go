package wsgi

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"

	"golang.org/x/sys/unix"

	"gosrv/environ"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
)

// aboutMax bounds the part of an offer that is not the connection's bytes.
const aboutMax = 4 << 10

// offers is the socket pair over which the workers of a server offer each
// other connections. All of them hold both ends. Zero claims: there is none.
type offers struct {
	in, out int
	claims  *scoreboard.Claims
	active  bool // out is in the epoll set
	parked  bool // it was, before the backup led
	buf     []byte
}

// offer is what travels with a connection, before its unread bytes. It is sent
// with a complete request only and between two answers, so that there is no
// more to say.
type offer struct {
	Claim    scoreboard.Claim `json:"claim"`
	Listener string           `json:"listener"`
	Peer     netip.AddrPort   `json:"peer"`
	Trusted  bool             `json:"trusted"`           // with Proxied: of the peer that spoke
	Proxied  *http1.Proxied   `json:"proxied,omitempty"` // nil: no PROXY header
	Used     bool             `json:"used"`
	Next     int              `json:"next"`    // where the following request begins in the bytes
	Content  int              `json:"content"` // bytes of body behind the head, decoded
}

// take accepts its descriptors of Serve.
func (x *offers) take(name string, fd int) (err error) {
	switch name {
	case workerctl.FDExchangeIn:
		x.in = fd
	case workerctl.FDExchangeOut:
		x.out = fd
	case workerctl.FDClaims:
		x.claims, err = scoreboard.OpenClaims(fd)
		loop.Drop(fd)
	}
	return err
}

// joinExchange begins to hand connections over: the worker is no longer alone.
// It reports whether it has taken the descriptors. Without a backup the caller
// is the main thread, which leads.
func (w *eventLoop) joinExchange(names []string, fds []int) bool {
	if w.backup != nil || w.set.threads > 1 || w.drain.on || len(names) != len(fds) {
		return false
	}
	for i, name := range names {
		if err := w.exchange.take(name, fds[i]); err != nil {
			w.log.Errorf("Cannot hand connections over: %v", err)
			return true // what was taken stays unused
		}
	}
	if err := w.newBackup(); err != nil {
		w.log.Errorf("Cannot hand connections over: %v", err)
		return true
	}
	if !w.gate.shut {
		w.openExchange()
	}
	return true
}

// packet is room for one, used by whoever leads.
func (x *offers) packet() []byte {
	if x.buf == nil {
		x.buf = make([]byte, 4+aboutMax+maxOffer)
	}
	return x.buf
}

// pack makes the packet that offers c, valid until the next one; nil if there
// is too much to say.
func (x *offers) pack(claim scoreboard.Claim, c *conn) []byte {
	about, err := json.Marshal(offer{
		Claim: claim, Listener: c.listener.name(), Peer: c.facts.Peer, Trusted: c.facts.Trusted, Proxied: c.facts.Proxied,
		Used: c.used, Next: c.size, Content: c.content,
	})
	if err != nil || len(about) > aboutMax {
		return nil
	}
	packet := binary.NativeEndian.AppendUint32(x.packet()[:0], uint32(len(about)))
	return append(append(packet, about...), c.in.Unread()...)
}

// unpack reads a packet: the offer and the connection's bytes, a view.
func unpack(packet []byte) (o offer, bytes []byte, err error) {
	if len(packet) < 4 {
		return o, nil, unix.EBADMSG
	}
	n := binary.NativeEndian.Uint32(packet)
	packet = packet[4:]
	if uint64(n) > uint64(len(packet)) {
		return o, nil, unix.EBADMSG
	}
	if err = json.Unmarshal(packet[:n], &o); err != nil {
		return o, nil, err
	}
	bytes = packet[n:]
	if o.Next < 1 || o.Next > len(bytes) || o.Content < 0 || o.Content >= o.Next {
		return o, nil, unix.EBADMSG
	}
	return o, bytes, nil
}

// openExchange lets this worker take offers; as with a listener, one that waits
// is woken for each. Level-triggered: it takes one at a time.
func (w *eventLoop) openExchange() {
	if x := &w.exchange; x.claims != nil && !x.active {
		w.reopen(x.out, loop.ReadShared)
		x.active = true
	}
}

// shutExchange leaves the offers to other workers.
func (w *eventLoop) shutExchange() {
	if x := &w.exchange; x.active {
		w.poll.Remove(x.out)
		x.active = false
	}
}

// takeOffers takes connections one at a time and serves each at once, as accept
// does. It reports whether this thread still leads the loop.
func (s *slot) takeOffers(most int) leads {
	w, x := s.l, &s.l.exchange
	for range most {
		if !x.active || w.summoned() {
			return stillLeads
		}
		if w.full() {
			w.shutGate(0)
			return stillLeads
		}
		n, fd, e := loop.RecvFD(x.out, x.packet())
		if e != loop.None {
			return stillLeads // another worker was quicker
		}
		if fd < 0 {
			continue // no room for a descriptor: the sender still has it
		}
		c := w.takeOffer(x.buf[:n], fd)
		if c == nil {
			loop.Drop(fd)
			continue
		}
		if w.count > w.set.maxConns {
			w.makeRoom(s)
		}
		if s.pump(c) == handedOver {
			return handedOver
		}
	}
	return stillLeads
}

// takeOffer makes an offered connection this worker's; nil if its sender has
// taken it back, or it came in by a listener that this worker does not have.
// Nothing is done with it before the claim: that decides whose it is.
func (w *eventLoop) takeOffer(packet []byte, fd int) *conn {
	o, bytes, err := unpack(packet)
	if err != nil {
		w.log.Errorf("An offered connection cannot be read: %v", err)
		return nil
	}
	l := w.listenerNamed(o.Listener)
	if l == nil || !w.exchange.claims.Take(o.Claim) {
		return nil
	}
	c := w.open(fd, l, &loop.Peer{})
	c.facts = environ.NewFacts(w.rules, &l.about, o.Peer)
	if o.Proxied != nil {
		c.facts.Trusted, c.facts.Proxied = o.Trusted, o.Proxied
	}
	c.fresh, c.used = false, o.Used
	c.in.Grow(&w.mem.Bufs, len(bytes))
	c.in.Add(copy(c.in.Room(), bytes))
	c.ready, c.size, c.content = true, o.Next, o.Content
	return c
}

func (w *eventLoop) listenerNamed(name string) *listener {
	for _, l := range w.listeners {
		if l.name() == name {
			return l
		}
	}
	return nil
}
