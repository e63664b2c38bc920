package environ

import (
	"strconv"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/http1/proxyproto"
)

// Slot is the place of a CGI variable in Packed.Desc.
type Slot int

// The slots, in the order that C knows.
const (
	RequestMethod Slot = iota
	RawURI
	PathInfo
	QueryString
	ServerProtocol
	ScriptName
	RemoteAddr
	RemotePort
	ServerName
	ServerPort
	NSlots
)

const (
	// Absent as the length of a slot: the base environ's value, if any, is kept.
	Absent = 0xFFFFFFFF
	// InExtra is set in an offset into Packed.Extra; without it the offset is into the request's buffer.
	InExtra = 1 << 31
	// HasLine is set in the length of a header's name whose line has a number in http1.Lines. The length is in the
	// bits below LineShift then, the number above.
	HasLine   = 1 << 31
	LineShift = 16
)

// proxyKeys is how many variables a PROXY header gives: PROXY_PROTOCOL, PROXY_ADDR, PROXY_PORT.
const proxyKeys = 3

// Packed is the environ of one request. Desc holds (offset, length) for each Slot, then (name offset, name
// length, value offset, value length) for each of Headers, then, if Proxied, (offset, length) for PROXY_PROTOCOL,
// PROXY_ADDR and PROXY_PORT, then, if Secured, for each of call.Secured, then, if HTTP2, weight and dependence of the stream. Header names are as the client sent them: C makes the HTTP_ keys. Reuse a Packed: it
// keeps its memory.
type Packed struct {
	Desc    []uint32
	Extra   []byte
	Headers int
	HTTPS   bool // wsgi.url_scheme
	Proxied bool // the connection began with a PROXY header
	Secured bool // something is said of TLS
	HTTP2   bool // the request is a stream

	seen    []seen // one for each of Headers that came as a header
	repeats []repeat
	bloom   [4]uint64  // of the keys in seen
	script  http1.Span // of the SCRIPT_NAME header
	named   bool       // there was one
	joined  int        // bytes of Extra that belong to headers
}

// Refusals of Pack.
var (
	errName   = &http1.Error{Status: 400, Reason: "underscore in a header name"}
	errScheme = &http1.Error{Status: 400, Reason: "scheme headers contradict each other"}
	errScript = &http1.Error{Status: 500, Reason: "request path does not start with SCRIPT_NAME"}
)

// Pack fills p from a request parsed out of buf. The result refers to buf: it is valid as long as buf stays.
// An error is to be answered like one of http1.Policy.Parse.
func (p *Packed) Pack(buf []byte, r *http1.Request, f *Facts) *http1.Error {
	p.empty()
	if err := p.headers(buf, r, f); err != nil {
		return err
	}
	p.joined = len(p.Extra)
	return p.line(buf, r, f)
}

// empty leaves the slots, all absent.
func (p *Packed) empty() {
	p.Desc = append(p.Desc[:0], noSlots[:]...)
	p.Extra = p.Extra[:0]
}

// noSlots are NSlots absent strings.
var noSlots = func() (s [2 * NSlots]uint32) {
	for i := 1; i < len(s); i += 2 {
		s[i] = Absent
	}
	return s
}()

// line fills the slots: what comes from the request line and the connection.
func (p *Packed) line(buf []byte, r *http1.Request, f *Facts) *http1.Error {
	p.inHead(RequestMethod, r.Method)
	p.inHead(RawURI, r.Target)
	p.inHead(QueryString, r.Query)
	p.inHead(ServerProtocol, r.Proto)
	if err := p.path(buf, r, f.Rules.scriptName); err != nil {
		return err
	}
	p.peer(f)
	if f.Listener.Unix {
		p.server(buf, r)
	}
	if p.Proxied = f.Proxied != nil; p.Proxied {
		p.proxied(f.Proxied)
	}
	if p.Secured = f.Secured != nil; p.Secured {
		p.secured(f.Secured)
	}
	if p.HTTP2 = f.Weight > 0; p.HTTP2 {
		p.Desc = append(p.Desc, uint32(f.Weight), f.DependsOn)
	}
	return nil
}

// inHead points a slot into the request's buffer.
func (p *Packed) inHead(s Slot, at http1.Span) {
	p.Desc[2*s], p.Desc[2*s+1] = at.Off, at.Len
}

// inExtra points a slot at what has been appended to Extra since from.
func (p *Packed) inExtra(s Slot, from int) {
	p.Desc[2*s], p.Desc[2*s+1] = uint32(from)|InExtra, uint32(len(p.Extra)-from)
}

// peer sets REMOTE_ADDR, empty for a unix socket, and REMOTE_PORT, not set there.
func (p *Packed) peer(f *Facts) {
	from := len(p.Extra)
	if !f.Peer.IsValid() {
		p.inExtra(RemoteAddr, from)
		return
	}
	if both, addr := f.Text(); addr > 0 {
		p.Extra = append(p.Extra, both...)
		p.Desc[2*RemoteAddr], p.Desc[2*RemoteAddr+1] = uint32(from)|InExtra, uint32(addr)
		p.inExtra(RemotePort, from+addr)
		return
	}
	p.Extra = f.Peer.Addr().AppendTo(p.Extra)
	p.inExtra(RemoteAddr, from)
	from = len(p.Extra)
	p.Extra = strconv.AppendUint(p.Extra, uint64(f.Peer.Port()), 10)
	p.inExtra(RemotePort, from)
}

// proxied appends what the PROXY header said of the proxy's side, as Gunicorn does; without addresses there is only
// the protocol.
func (p *Packed) proxied(said *proxyproto.Header) {
	at := len(p.Desc)
	for range proxyKeys {
		p.Desc = append(p.Desc, 0, Absent)
	}
	value := func(n, from int) {
		p.Desc[at+2*n], p.Desc[at+2*n+1] = uint32(from)|InExtra, uint32(len(p.Extra)-from)
	}
	from := len(p.Extra)
	p.Extra = append(p.Extra, said.Protocol...)
	value(0, from)
	if !said.Destination.IsValid() {
		return
	}
	from = len(p.Extra)
	p.Extra = said.Destination.Addr().AppendTo(p.Extra)
	value(1, from)
	from = len(p.Extra)
	p.Extra = strconv.AppendUint(p.Extra, uint64(said.Destination.Port()), 10)
	value(2, from)
}

// secured appends what TLS has settled.
func (p *Packed) secured(said *call.Secured) {
	for _, value := range said {
		if value == "" {
			p.Desc = append(p.Desc, 0, Absent)
			continue
		}
		p.Desc = append(p.Desc, uint32(len(p.Extra))|InExtra, uint32(len(value)))
		p.Extra = append(p.Extra, value...)
	}
}

// server sets SERVER_NAME and SERVER_PORT from the host that the client named: a unix socket has no address of
// its own. Without a host the base environ has the socket's path.
func (p *Packed) server(buf []byte, r *http1.Request) {
	host := r.Host
	if r.Form == http1.Absolute {
		host = r.Authority
	}
	if host.Len == 0 {
		return
	}
	b := host.Of(buf)
	name := len(b)
	for i := len(b) - 1; i >= 0 && b[i] != ']'; i-- {
		if b[i] == ':' {
			name = i
			break
		}
	}
	p.inHead(ServerName, http1.Span{Off: host.Off, Len: uint32(name)})
	if name+1 < len(b) {
		p.inHead(ServerPort, http1.Span{Off: host.Off + uint32(name) + 1, Len: uint32(len(b) - name - 1)})
		return
	}
	from := len(p.Extra)
	if p.HTTPS {
		p.Extra = append(p.Extra, "443"...)
	} else {
		p.Extra = append(p.Extra, "80"...)
	}
	p.inExtra(ServerPort, from)
}
