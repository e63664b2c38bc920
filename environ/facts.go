package environ

import (
	"net/netip"
	"strconv"
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

// Facts is what is known of one connection. It is small and copied freely.
type Facts struct {
	Rules    *Rules
	Listener *Listener
	Peer     netip.AddrPort // REMOTE_ADDR, REMOTE_PORT; the zero value on unix sockets
	Trusted  bool           // the peer may set the scheme and the forwarder_headers
}

// NewFacts describes a connection accepted by l. Peers of unix sockets are trusted, as Gunicorn does.
func NewFacts(r *Rules, l *Listener, peer netip.AddrPort) Facts {
	return Facts{Rules: r, Listener: l, Peer: peer, Trusted: l.Unix || r.allow.Contains(peer.Addr())}
}

// SetProxied replaces the peer by the client that a PROXY header names. Trust stays with the peer that spoke.
func (f *Facts) SetProxied(client netip.AddrPort) { f.Peer = client }
