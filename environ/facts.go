package environ

import (
	"net/netip"
	"strconv"

	"gosrv/wsgi/http1/proxyproto"
)

// Listener is what the environ says of a listening socket.
type Listener struct {
	Unix  bool
	Host  string // TCP: the bound address, 0.0.0.0 for all, as Gunicorn has it
	Port  uint16
	Path  string // unix: of the socket
	HTTPS bool   // speaks TLS
}

// Var is one constant variable of the environ.
type Var struct{ Name, Value string }

// Base returns what Pack leaves to the environ of the listener and sets only where a request differs:
// SERVER_NAME, SERVER_PORT, SCRIPT_NAME.
func (l *Listener) Base(r *Rules) []Var {
	name, port := l.Host, strconv.Itoa(int(l.Port))
	if l.Unix {
		name, port = l.Path, ""
	}
	return []Var{{"SERVER_NAME", name}, {"SERVER_PORT", port}, {"SCRIPT_NAME", r.scriptName}}
}

// Facts is what is known of one connection. It is small and copied freely. Make it with NewFacts.
type Facts struct {
	Rules    *Rules
	Listener *Listener
	Peer     netip.AddrPort     // REMOTE_ADDR, REMOTE_PORT; the zero value on unix sockets
	Trusted  bool               // the peer may set the scheme and the forwarder_headers
	Proxied  *proxyproto.Header // what its PROXY header said; nil: there was none

	text       [len("255.255.255.255") + len("65535")]byte // address and port of an IPv4 peer
	addr, port uint8                                       // their lengths in text; 0: Peer is to be formatted
}

// NewFacts describes a connection accepted by l. Peers of unix sockets are trusted, as Gunicorn does.
func NewFacts(r *Rules, l *Listener, peer netip.AddrPort) Facts {
	f := Facts{Rules: r, Listener: l, Trusted: l.Unix || r.allow.Contains(peer.Addr())}
	f.setPeer(peer)
	return f
}

// setPeer formats what nearly every request needs once for the connection. Longer addresses would make each
// connection larger.
func (f *Facts) setPeer(peer netip.AddrPort) {
	f.Peer, f.addr, f.port = peer, 0, 0
	if peer.Addr().Is4() {
		f.addr = uint8(len(peer.Addr().AppendTo(f.text[:0])))
		f.port = uint8(len(strconv.AppendUint(f.text[f.addr:f.addr], uint64(peer.Port()), 10)))
	}
}

// SetProxied takes over what a PROXY header said, which must not change any more: the client it names becomes the
// peer. Trust stays with the peer that spoke. A header without addresses leaves the peer alone, where Gunicorn sets
// REMOTE_ADDR to None.
func (f *Facts) SetProxied(p *proxyproto.Header) {
	f.Proxied = p
	if p.Source.IsValid() {
		f.setPeer(p.Source)
	}
}
