package response

import (
	"strings"

	"gosrv/wsgi/http1"
)

// Trailers are the fields of a head whose status was read, for what follows a body: names in lower case, and values.
// False: one of them is invalid, or says what only a head may say (RFC 9110 section 6.5.1).
func Trailers(head PackedHead) (fields [][2]string, ok bool) {
	for n := head.Count(); n > 0; n-- {
		name, value := head.Header()
		if !http1.ValidName(name) || !http1.ValidValue(value) || owned(name) || http1.EqualFold(name, "content-length") {
			return nil, false
		}
		fields = append(fields, [2]string{strings.ToLower(string(name)), string(value)})
	}
	return fields, true
}
