package http1

import "bytes"

// Repeat remembers the header block of one head: its field lines and the empty line after them. Clients send
// the same block with each request of a connection; read once, the next head costs its request line only.
// The zero value remembers nothing. It owns its memory.
type Repeat struct {
	block   []byte
	headers []Header // offsets into block
	facts   Request  // what judge found, Host relative to block
}

// Block is the header block of a head that Parse has accepted, for comparing and hashing; a view into buf.
func (r *Request) Block(buf []byte) []byte { return buf[r.fields:r.HeadLen] }

// BlockOff is where the header block begins in the buffer.
func (r *Request) BlockOff() int { return r.fields }

// Store remembers the header block of r, which Parse has accepted. It is refused for a target that is not in
// origin-form: there the request line changes what the fields mean.
func (m *Repeat) Store(buf []byte, r *Request) bool {
	if r.Form != Origin {
		return false
	}
	m.block = append(m.block[:0], r.Block(buf)...)
	m.headers = append(m.headers[:0], r.Headers...)
	shift(m.headers, -uint32(r.fields))
	m.facts = *r
	m.facts.Headers = nil
	m.facts.Host.Off -= uint32(r.fields)
	return true
}

// Holds tells whether block is the one remembered.
func (m *Repeat) Holds(block []byte) bool { return len(m.block) > 0 && bytes.Equal(m.block, block) }

// ParseRepeat is Parse for a head that may carry the remembered block; repeated says that it does. The outcome
// is Parse's in every case.
func (p *Policy) ParseRepeat(buf []byte, r *Request, m *Repeat) (repeated bool, err error) {
	if len(m.block) == 0 || r.pos != 0 && r.stage != stageDone {
		return false, p.Parse(buf, r)
	}
	r.Reset()
	if err := p.firstLine(buf, r); err != nil {
		return false, err
	}
	if r.Form != Origin || r.Major != m.facts.Major || r.Minor != m.facts.Minor ||
		r.pos+len(m.block) > p.headSize() || !bytes.HasPrefix(buf[r.pos:], m.block) {
		return false, p.fieldLines(buf, r)
	}
	r.fields = r.pos
	r.HeadLen, r.stage = r.pos+len(m.block), stageDone
	r.Headers = append(r.Headers[:0], m.headers...)
	shift(r.Headers, uint32(r.pos))
	if r.HasHost = m.facts.HasHost; r.HasHost {
		r.Host = Span{m.facts.Host.Off + uint32(r.pos), m.facts.Host.Len}
	}
	r.ContentLength, r.Chunked = m.facts.ContentLength, m.facts.Chunked
	r.KeepAlive, r.ExpectContinue = m.facts.KeepAlive, m.facts.ExpectContinue
	return true, nil
}

// shift moves the offsets of headers by n, which may wrap around for "back".
func shift(headers []Header, n uint32) {
	for i := range headers {
		headers[i].Name.Off += n
		headers[i].Value.Off += n
	}
}
