package environ

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

// Repeat remembers what Pack made of a header block that http1.Repeat remembers, for peers that are trusted
// alike on the same listener. The zero value remembers nothing. It owns its memory.
type Repeat struct {
	desc     []uint32 // of the headers, offsets into the block or into extra
	extra    []byte
	https    bool
	trusted  bool
	scheme   call.Scheme
	listener *Listener // nil: nothing remembered
}

// Store remembers the headers of p, which Pack has just filled from r. It is refused when they decide about
// the path (a SCRIPT_NAME header) or the target about them (absolute-form), and where the connection adds to them.
func (m *Repeat) Store(p *Packed, r *http1.Request, f *Facts) bool {
	if p.named || f.Proxied != nil || f.Secured != nil || r.Form != http1.Origin {
		m.listener = nil
		return false
	}
	m.desc = append(m.desc[:0], p.Desc[2*NSlots:]...)
	shift(m.desc, -uint32(r.BlockOff()))
	m.extra = append(m.extra[:0], p.Extra[:p.joined]...)
	m.https, m.trusted, m.scheme, m.listener = p.HTTPS, f.Trusted, f.Scheme, f.Listener
	return true
}

// Fits tells whether requests with these facts get the same environ from the block.
func (m *Repeat) Fits(f *Facts) bool {
	return m.listener == f.Listener && m.trusted == f.Trusted && m.scheme == f.Scheme && f.Proxied == nil && f.Secured == nil
}

// PackRepeat is Pack for a request that carries the remembered block; the caller has checked Fits.
func (p *Packed) PackRepeat(buf []byte, r *http1.Request, f *Facts, m *Repeat) *http1.Error {
	p.empty()
	p.named, p.HTTPS = false, m.https
	p.Desc = append(p.Desc, m.desc...)
	shift(p.Desc[2*NSlots:], uint32(r.BlockOff()))
	p.Extra = append(p.Extra, m.extra...)
	p.Headers, p.joined = len(m.desc)/4, len(m.extra)
	return p.line(buf, r, f)
}

// shift moves those offsets of a header description that are into the buffer by n, which may wrap around.
func shift(desc []uint32, n uint32) {
	for i := 0; i < len(desc); i += 2 {
		if desc[i]&InExtra == 0 {
			desc[i] += n
		}
	}
}
