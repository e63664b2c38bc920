package environ

import (
	"bytes"

	"gosrv/wsgi/http1"
)

// seen is what add remembers of a header in Desc, to find those that repeat its name.
type seen struct {
	key         uint32 // hash of the name; 0 = the name cannot repeat
	first, last int32  // further values of the name: indexes into Packed.repeats plus one, 0 = none
}

// repeat is a further value of a name.
type repeat struct {
	value http1.Span
	next  int32 // index into Packed.repeats plus one, 0 = none
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
	p.seen, p.repeats, p.bloom = p.seen[:0], p.repeats[:0], [4]uint64{}
	p.named, p.HTTPS = false, f.https()
	schemeSaid := false
	for i := range r.Headers {
		h := &r.Headers[i]
		name := h.Name.Of(buf)
		if h.Mark != 0 {
			p.put(buf, h, name, h.Value, h.Mark)
			continue
		}
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
		p.add(buf, r, h, name)
	}
	if r.Form == http1.Absolute && !r.HasHost {
		from := uint32(len(p.Extra))
		p.Extra = append(p.Extra, "Host"...)
		p.Desc = append(p.Desc, from|InExtra, uint32(len("Host")), r.Authority.Off, r.Authority.Len)
	}
	p.Headers = (len(p.Desc) - 2*int(NSlots)) / 4
	if len(p.repeats) > 0 {
		p.join(buf)
	}
	return nil
}

// Mark is what http1.NewLines asks of a name that repeats: 0 if a header with it must be looked at each time, else
// its nameKey.
func (r *Rules) Mark(name []byte) uint32 {
	if _, ok := r.scheme(name, nil); ok || bytes.IndexByte(name, '_') >= 0 || http1.EqualFold(name, "proxy") {
		return 0
	}
	return nameKey(name)
}

// bloomBit is where the bit of a name's key is in Packed.bloom.
func bloomBit(key uint32) (word int, bit uint64) {
	h := key * 0x9E3779B1 >> 24
	return int(h >> 6), 1 << (h & 63)
}

// describeName is the second word of a header in Desc: the name's length, with the line's number if it has one.
func describeName(h *http1.Header) uint32 {
	if h.Line == 0 {
		return h.Name.Len
	}
	return HasLine | uint32(h.Line)<<LineShift | h.Name.Len
}

// nameLen is the length in a second word.
func nameLen(word uint32) uint32 {
	if word&HasLine == 0 {
		return word
	}
	return word & (1<<LineShift - 1)
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

// add puts a header that has no mark. A Proxy header is dropped: HTTP_PROXY
// would be taken for a setting (CVE-2016-5386). An absolute-form target overrides Host.
func (p *Packed) add(buf []byte, r *http1.Request, h *http1.Header, name []byte) {
	value, key := h.Value, nameKey(name)
	switch len(name) {
	case len("host"):
		if r.Form == http1.Absolute && http1.EqualFold(name, "host") {
			value = r.Authority
		}
	case len("proxy"):
		if http1.EqualFold(name, "proxy") {
			return
		}
	case len("content-type"), len("content-length"):
		if http1.EqualFold(name, "content-type") || http1.EqualFold(name, "content-length") {
			key = 0
		}
	}
	p.put(buf, h, name, value, key)
}

// put appends a header with that value, or the value to those of the first header of its name. key is the name's,
// 0 if it cannot repeat.
func (p *Packed) put(buf []byte, h *http1.Header, name []byte, value http1.Span, key uint32) {
	word, bit := bloomBit(key)
	if p.bloom[word]&bit != 0 && p.repeated(buf, key, name, value) {
		return
	}
	p.bloom[word] |= bit
	p.seen = append(p.seen, seen{key: key})
	p.Desc = append(p.Desc, h.Name.Off, describeName(h), value.Off, value.Len)
}

// repeated stores the value with the first header of the same name, if there is one.
func (p *Packed) repeated(buf []byte, key uint32, name []byte, value http1.Span) bool {
	for i := range p.seen {
		x := &p.seen[i]
		if x.key != key || key == 0 || !sameName(p.nameAt(i).Of(buf), name) {
			continue
		}
		p.repeats = append(p.repeats, repeat{value: value})
		here := int32(len(p.repeats))
		if x.first == 0 {
			x.first = here
		} else {
			p.repeats[x.last-1].next = here
		}
		x.last = here
		return true
	}
	return false
}

// nameAt is the name of the header with that index in Desc.
func (p *Packed) nameAt(i int) http1.Span {
	at := 2*int(NSlots) + 4*i
	return http1.Span{Off: p.Desc[at], Len: nameLen(p.Desc[at+1])}
}

// join writes the values of repeated names to Extra and points Desc there: with "," between them as Gunicorn
// does, cookies with "; " (RFC 9113 section 8.2.3).
func (p *Packed) join(buf []byte) {
	for i := range p.seen {
		if p.seen[i].first == 0 {
			continue
		}
		separator := ","
		if http1.EqualFold(p.nameAt(i).Of(buf), "cookie") {
			separator = "; "
		}
		value := p.Desc[2*int(NSlots)+4*i+2:]
		from := len(p.Extra)
		p.Extra = append(p.Extra, http1.Span{Off: value[0], Len: value[1]}.Of(buf)...)
		for n := p.seen[i].first; n != 0; n = p.repeats[n-1].next {
			p.Extra = append(p.Extra, separator...)
			p.Extra = append(p.Extra, p.repeats[n-1].value.Of(buf)...)
		}
		value[0], value[1] = uint32(from)|InExtra, uint32(len(p.Extra)-from)
	}
}
