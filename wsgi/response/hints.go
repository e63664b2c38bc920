package response

import "gosrv/wsgi/http1"

// AppendHints writes a 103 answer (RFC 8297) with the application's headers,
// checked as those of its response are. Headers that only the server may give,
// and a length, which an interim answer does not have, are left out. false: a
// header is invalid, and nothing of it may be sent.
func AppendHints(dst []byte, head PackedHead) ([]byte, bool) {
	dst = http1.AppendStatus(dst, 1, 103)
	head.Status()
	for n := head.Count(); n > 0; n-- {
		name, value := head.Header()
		if !http1.ValidName(name) || !http1.ValidValue(value) {
			return dst, false
		}
		if !owned(name) && !http1.EqualFold(name, "content-length") {
			dst = http1.AppendField(dst, name, value)
		}
	}
	return append(dst, "\r\n"...), true
}
