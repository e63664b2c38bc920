package http1

import "bytes"

// splitTarget finds form, authority, path and query of the request target (RFC 9112 section 3.2).
func (p *Policy) splitTarget(buf []byte, r *Request) error {
	t := r.Target.Of(buf)
	from, end := r.mark, r.mark+len(t)
	if string(r.Method.Of(buf)) == "CONNECT" {
		if !validHost(t, true) {
			return errTargetForm
		}
		return errConnect
	}
	if i := bytes.IndexByte(t, '#'); i >= 0 {
		if !p.PermitFragment {
			return errFragment
		}
		end = r.mark + i
		t = t[:i]
	}
	switch {
	case len(t) > 0 && t[0] == '/':
		r.Form = Origin
	case string(t) == "*":
		if string(r.Method.Of(buf)) != "OPTIONS" {
			return errAsterisk
		}
		r.Form = Asterisk
	default:
		n, err := authority(t, r)
		if err != nil {
			return err
		}
		r.Form = Absolute
		from += n
	}
	r.Path = span(from, end)
	if i := bytes.IndexByte(buf[from:end], '?'); i >= 0 {
		r.Path = span(from, from+i)
		r.Query = span(from+i+1, end)
	}
	return nil
}

// authority checks scheme and authority of an absolute-form target and returns the offset of its path.
// Userinfo is refused, as RFC 9110 section 4.2.4 advises.
func authority(t []byte, r *Request) (int, error) {
	colon := bytes.IndexByte(t, ':')
	if colon <= 0 || len(t) < colon+3 || t[colon+1] != '/' || t[colon+2] != '/' {
		return 0, errTargetForm
	}
	if s := t[:colon]; !EqualFold(s, "http") && !EqualFold(s, "https") {
		return 0, errTargetScheme
	}
	from := colon + len("://")
	end := from
	for end < len(t) && t[end] != '/' && t[end] != '?' {
		end++
	}
	if !validHost(t[from:end], false) {
		return 0, errTargetHost
	}
	r.Authority = span(r.mark+from, r.mark+end)
	return end, nil
}
