package measure

import "gosrv/wsgi/http1"

// TraceID is that of a request's traceparent header (W3C Trace Context 1):
// version, trace id, parent id and flags, with dashes between. nil: there is none.
func TraceID(head []byte, r *http1.Request) []byte {
	for i := range r.Headers {
		h := &r.Headers[i]
		if !http1.EqualFold(h.Name.Of(head), "traceparent") {
			continue
		}
		if v := h.Value.Of(head); len(v) >= 55 && v[2] == '-' && v[35] == '-' && v[52] == '-' {
			return v[3:35]
		}
	}
	return nil
}
