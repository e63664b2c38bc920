package call

import (
	"net/netip"
	"strconv"

	"gosrv/wsgi/http1/proxyproto"
)

// Client is the other end of a connection. It is small and copied freely. Make it with NewClient.
type Client struct {
	Peer    netip.AddrPort     // REMOTE_ADDR, REMOTE_PORT; the zero value on unix sockets
	Trusted bool               // who speaks may set the scheme and the forwarder_headers
	Proxied *proxyproto.Header // what its PROXY header said; nil: there was none
	Secured *Secured           // what the environ says of TLS; nil: nothing

	Scheme    Scheme // what a trusted peer says of its own client, by HTTP/2
	Weight    uint16 // of an HTTP/2 stream: its priority, as RFC 7540 has it; 0: it is none
	DependsOn uint32 //

	text       [len("255.255.255.255") + len("65535")]byte // address and port of an IPv4 peer
	addr, port uint8                                       // their lengths in text; 0: Peer is to be formatted
}

// Secured is the values of HTTPS, SSL_PROTOCOL, SSL_CIPHER, SSL_CLIENT_VERIFY, SSL_CLIENT_S_DN, SSL_CLIENT_I_DN,
// SSL_CLIENT_M_SERIAL and SSL_CLIENT_CERT, as mod_ssl has them; "": there is no such key. It does not change any more.
type Secured [8]string

// Size is how many bytes the values are.
func (s *Secured) Size() (n int) {
	if s != nil {
		for _, value := range s {
			n += len(value)
		}
	}
	return n
}

// Trailers, as the status of packed headers, says that they follow the answer's body.
const Trailers = "trailers"

// Scheme is what a request claims its client to use.
type Scheme uint8

const (
	SchemeOwn   Scheme = iota // nothing but the connection counts
	SchemeHTTP                //
	SchemeHTTPS               //
)

// SetScheme notes the scheme of a stream whose peer is trusted.
func (c *Client) SetScheme(https bool) {
	c.Scheme = SchemeHTTP
	if https {
		c.Scheme = SchemeHTTPS
	}
}

// SetPriority notes that the request is a stream of HTTP/2.
func (c *Client) SetPriority(weight int, dependsOn uint32) {
	c.Weight, c.DependsOn = uint16(weight), dependsOn
}

// NewClient describes a connection that was accepted from peer.
func NewClient(peer netip.AddrPort, trusted bool) Client {
	c := Client{Trusted: trusted}
	c.setPeer(peer)
	return c
}

// setPeer formats what nearly every request needs once for the connection. Longer addresses would make each
// connection larger.
func (c *Client) setPeer(peer netip.AddrPort) {
	c.Peer, c.addr, c.port = peer, 0, 0
	if peer.Addr().Is4() {
		c.addr = uint8(len(peer.Addr().AppendTo(c.text[:0])))
		c.port = uint8(len(strconv.AppendUint(c.text[c.addr:c.addr], uint64(peer.Port()), 10)))
	}
}

// Text is address and port, one behind the other, and the length of the first; nil: Peer is to be formatted.
func (c *Client) Text() (both []byte, addr int) { return c.text[:c.addr+c.port], int(c.addr) }

// SetProxied takes over what a PROXY header said, which must not change any more: the client it names becomes the
// peer. Trust stays with the peer that spoke. A header without addresses leaves the peer alone, where Gunicorn sets
// REMOTE_ADDR to None.
func (c *Client) SetProxied(p *proxyproto.Header) {
	c.Proxied = p
	if p.Source.IsValid() {
		c.setPeer(p.Source)
	}
}
