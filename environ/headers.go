package environ

import (
	"bytes"

	"gosrv/wsgi/http1"
)

// field is a header that goes into the environ.
type field struct {
	name, value http1.Span
	key         uint32 // hash of the name; 0 = the name cannot repeat
	next, last  int32  // chain of fields of the same name: index of the next, and in the first one of the last
	follows     bool   // is not the first one of its name
}

// fold maps the bytes that one environ key does not tell apart: letters without case, '-' and '_'.
var fold = buildFold()

func buildFold() (t [256]byte) {
	for c := range 256 {
		t[c] = byte(c)
		if 'A' <= c && c <= 'Z' {
			t[c] |= 0x20
		}
	}
	t['-'] = '_'
	return t
}

// nameKey is a hash of a name without what fold drops. It is cheap, not strong: the number of headers is bounded.
func nameKey(name []byte) uint32 {
	n := len(name)
	return uint32(n)<<24 | uint32(fold[name[0]])<<16 | uint32(fold[name[n/2]])<<8 | uint32(fold[name[n-1]])
}

// sameName says whether two header names make the same environ key.
func sameName(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if fold[a[i]] != fold[b[i]] {
			return false
		}
	}
	return true
}

// headers applies the policy to each header and appends what it lets pass to Desc, repeated ones joined.
func (p *Packed) headers(buf []byte, r *http1.Request, f *Facts) *http1.Error {
	p.fields, p.named, p.HTTPS = p.fields[:0], false, f.Listener.HTTPS
	schemeSaid := false
	var seen uint64
	for i := range r.Headers {
		h := &r.Headers[i]
		name := h.Name.Of(buf)
		if f.Trusted {
			if https, ok := f.Rules.scheme(name, h.Value.Of(buf)); ok {
				if schemeSaid && https != p.HTTPS {
					return errScheme
				}
				schemeSaid, p.HTTPS = true, https
			}
		}
		if bytes.IndexByte(name, '_') >= 0 {
			keep, err := p.underscore(name, h, f)
			if err != nil {
				return err
			}
			if !keep {
				continue
			}
		}
		seen = p.add(buf, r, h, name, seen)
	}
	p.emit(buf, r)
	return nil
}

// scheme says whether a header of that name speaks of the scheme, and what.
func (r *Rules) scheme(name, value []byte) (https, ok bool) {
	for i := range r.secureScheme {
		if s := &r.secureScheme[i]; http1.EqualFold(name, s.name) {
			return string(value) == s.value, true
		}
	}
	return false, false
}

// underscore decides on a name that dash and underscore make ambiguous (header_map, forwarder_headers). Unlike
// in Gunicorn, SCRIPT_NAME is heeded only if the peer is trusted with it, also under header_map dangerous.
func (p *Packed) underscore(name []byte, h *http1.Header, f *Facts) (keep bool, err *http1.Error) {
	if f.Trusted && f.Rules.forwards(name) {
		if http1.EqualFold(name, "script_name") {
			p.script, p.named = h.Value, true
		}
		return true, nil
	}
	if f.Rules.underscore == refuse {
		return false, errName
	}
	return f.Rules.underscore == dangerous, nil
}

func (r *Rules) forwards(name []byte) bool {
	if r.forwardAny {
		return true
	}
	for _, s := range r.forwarder {
		if http1.EqualFold(name, s) {
			return true
		}
	}
	return false
}

// add appends a header, or chains it to the first of its name. A Proxy header is dropped: HTTP_PROXY would be
// taken for a setting (CVE-2016-5386). An absolute-form target overrides Host.
func (p *Packed) add(buf []byte, r *http1.Request, h *http1.Header, name []byte, seen uint64) uint64 {
	x := field{name: h.Name, value: h.Value, key: nameKey(name)}
	switch len(name) {
	case len("host"):
		if r.Form == http1.Absolute && http1.EqualFold(name, "host") {
			x.value = r.Authority
		}
	case len("proxy"):
		if http1.EqualFold(name, "proxy") {
			return seen
		}
	case len("content-type"), len("content-length"):
		if http1.EqualFold(name, "content-type") || http1.EqualFold(name, "content-length") {
			x.key = 0
		}
	}
	here := int32(len(p.fields))
	if bit := uint64(1) << ((x.key ^ x.key>>8 ^ x.key>>16 ^ x.key>>24*7) & 63); seen&bit == 0 {
		seen |= bit
	} else if first := p.find(buf, x.key, name); first >= 0 {
		x.follows = true
		head := &p.fields[first]
		if head.next == 0 {
			head.next = here
		} else {
			p.fields[head.last].next = here
		}
		head.last = here
	}
	p.fields = append(p.fields, x)
	return seen
}

// find returns the first field of that name, or -1.
func (p *Packed) find(buf []byte, key uint32, name []byte) int {
	if key == 0 {
		return -1
	}
	for i := range p.fields {
		if x := &p.fields[i]; x.key == key && !x.follows && sameName(x.name.Of(buf), name) {
			return i
		}
	}
	return -1
}

// emit writes the chosen headers to Desc.
func (p *Packed) emit(buf []byte, r *http1.Request) {
	p.Headers = 0
	for i := range p.fields {
		x := &p.fields[i]
		if x.follows {
			continue
		}
		off, n := x.value.Off, x.value.Len
		if x.next != 0 {
			off, n = p.join(buf, x)
		}
		p.Desc = append(p.Desc, x.name.Off, x.name.Len, off, n)
		p.Headers++
	}
	if r.Form == http1.Absolute && !r.HasHost {
		from := uint32(len(p.Extra))
		p.Extra = append(p.Extra, "Host"...)
		p.Desc = append(p.Desc, from|InExtra, uint32(len("Host")), r.Authority.Off, r.Authority.Len)
		p.Headers++
	}
}

// join writes the values of a chain to Extra: with "," as Gunicorn does, cookies with "; " (RFC 9113 section 8.2.3).
func (p *Packed) join(buf []byte, x *field) (off, n uint32) {
	separator := ","
	if http1.EqualFold(x.name.Of(buf), "cookie") {
		separator = "; "
	}
	from := len(p.Extra)
	p.Extra = append(p.Extra, x.value.Of(buf)...)
	for i := x.next; i != 0; i = p.fields[i].next {
		p.Extra = append(p.Extra, separator...)
		p.Extra = append(p.Extra, p.fields[i].value.Of(buf)...)
	}
	return uint32(from) | InExtra, uint32(len(p.Extra) - from)
}
