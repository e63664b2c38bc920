package environ

import (
	"bytes"

	"gosrv/wsgi/http1"
)

// path sets SCRIPT_NAME, if a header names it, and PATH_INFO: the path without SCRIPT_NAME, percent-decoded.
// As in Gunicorn the two are compared before decoding. The path of http://host is "/" (RFC 9110 section 4.2.3;
// Gunicorn: empty).
func (p *Packed) path(buf []byte, r *http1.Request, script string) *http1.Error {
	at := r.Path
	cut := len(script)
	if p.named {
		p.inHead(ScriptName, p.script)
		cut = int(p.script.Len)
	}
	if r.Form == http1.Asterisk {
		p.inHead(PathInfo, at)
		return nil
	}
	path := at.Of(buf)
	if len(path) == 0 {
		if cut > 0 {
			return errScript
		}
		from := len(p.Extra)
		p.Extra = append(p.Extra, '/')
		p.inExtra(PathInfo, from)
		return nil
	}
	switch {
	case p.named && !bytes.HasPrefix(path, p.script.Of(buf)), !p.named && !hasPrefix(path, script):
		return errScript
	}
	path = path[cut:]
	if bytes.IndexByte(path, '%') < 0 {
		p.inHead(PathInfo, http1.Span{Off: at.Off + uint32(cut), Len: at.Len - uint32(cut)})
		return nil
	}
	from := len(p.Extra)
	p.Extra = appendDecoded(p.Extra, path)
	p.inExtra(PathInfo, from)
	return nil
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// appendDecoded replaces %HH by the byte it stands for; a '%' without two hex digits stays, as in
// urllib.parse.unquote_to_bytes.
func appendDecoded(dst, path []byte) []byte {
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return append(dst, path...)
		}
		dst = append(dst, path[:i]...)
		path = path[i:]
		if hi, lo := nibble(path, 1), nibble(path, 2); hi|lo < 16 {
			dst = append(dst, hi<<4|lo)
			path = path[3:]
			continue
		}
		dst = append(dst, '%')
		path = path[1:]
	}
}

// nibble is the value of the hex digit b[i], or 16 if there is none.
func nibble(b []byte, i int) byte {
	if i >= len(b) {
		return 16
	}
	switch c := b[i]; {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}
