package handover

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/http1/proxyproto"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
)

const (
	// aboutMax bounds the part of an offer that is not the connection's bytes.
	aboutMax = 4 << 10
	// MaxBytes bounds the unread bytes that travel with a connection: head, body
	// and what is pipelined behind them.
	MaxBytes = 64 << 10
)

// Offer is what travels with a connection, before its unread bytes. It is sent
// with a complete request only and between two answers, so that there is no
// more to say.
type Offer struct {
	Claim    scoreboard.Claim   `json:"claim"`
	Listener string             `json:"listener"`
	Peer     netip.AddrPort     `json:"peer"`
	Trusted  bool               `json:"trusted"`           // with Proxied: of the peer that spoke
	Proxied  *proxyproto.Header `json:"proxied,omitempty"` // nil: no PROXY header
	Used     bool               `json:"used"`
	Next     int                `json:"next"`    // where the following request begins in the bytes
	Content  int                `json:"content"` // bytes of body behind the head, decoded
	First    int64              `json:"first"`   // CLOCK_MONOTONIC ns at which the request's first bytes could be read
	Last     int64              `json:"last"`    // and its last ones

	Arrived bool `json:"-"` // the master has accepted it, nothing was read, and nobody claims it
}

// pack makes the packet of an offer in buf; nil if there is too much to say.
func (o *Offer) pack(buf, bytes []byte) []byte {
	about, err := json.Marshal(o)
	if err != nil || len(about) > aboutMax || len(bytes) > MaxBytes {
		return nil
	}
	packet := binary.NativeEndian.AppendUint32(buf[:0], uint32(len(about)))
	return append(append(packet, about...), bytes...)
}

// unpack reads a packet: the offer and the connection's bytes, a view.
func unpack(packet []byte) (o Offer, bytes []byte, err error) {
	if a, is, err := workerctl.ParseArrival(packet); is {
		return Offer{Listener: a.Listener, Peer: a.Peer, Arrived: true}, nil, err
	}
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
