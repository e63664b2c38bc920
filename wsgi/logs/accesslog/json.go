package accesslog

import (
	"strconv"
	"unicode/utf8"
)

// appendJSON writes one object with the same keys in the same order in each line. Texts that the request does not have
// are null. remote_addr is the peer's address, or what a middleware of the application has put in its place; what a
// proxy says of the client is beside it in forwarded_for (X-Forwarded-For, Forwarded or X-Real-IP, as it was sent). The
// request id is the client's or proxy's, or the one the application answers with.
func (f *Format) appendJSON(dst []byte, e *Entry) []byte {
	dst = append(dst, `{"time":"`...)
	dst = e.End.In(f.zone).AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, `","remote_addr":`...)
	dst = appendJSONText(dst, e.Remote)
	dst = append(dst, `,"forwarded_for":`...)
	dst = appendJSONText(dst, e.requestHeader("x-forwarded-for", "forwarded", "x-real-ip"))
	dst = append(dst, `,"user":`...)
	dst = appendJSONText(dst, e.user())
	dst = append(dst, `,"method":`...)
	dst = appendJSONText(dst, e.Method)
	dst = append(dst, `,"target":`...)
	dst = appendJSONText(dst, e.Target)
	dst = append(dst, `,"path":`...)
	dst = appendJSONText(dst, e.Path)
	dst = append(dst, `,"query":`...)
	dst = appendJSONText(dst, e.Query)
	dst = append(dst, `,"protocol":`...)
	dst = appendJSONText(dst, e.Proto)
	dst = append(dst, `,"scheme":`...)
	dst = appendJSONText(dst, e.Source.Environ("wsgi.url_scheme"))
	dst = append(dst, `,"host":`...)
	dst = appendJSONText(dst, e.Source.RequestHeader("host"))
	dst = append(dst, `,"status":`...)
	dst = e.appendStatus(dst)
	dst = append(dst, `,"bytes":`...)
	dst = strconv.AppendInt(dst, e.Bytes, 10)
	dst = append(dst, `,"duration":`...)
	dst = appendSeconds(dst, e.duration())
	dst = append(dst, `,"referer":`...)
	dst = appendJSONText(dst, e.Source.RequestHeader("referer"))
	dst = append(dst, `,"user_agent":`...)
	dst = appendJSONText(dst, e.Source.RequestHeader("user-agent"))
	dst = append(dst, `,"request_id":`...)
	dst = appendJSONText(dst, e.requestID())
	dst = append(dst, `,"traceparent":`...)
	dst = appendJSONText(dst, e.Source.RequestHeader("traceparent"))
	dst = append(dst, `,"pid":`...)
	dst = strconv.AppendInt(dst, int64(f.pid), 10)
	return append(dst, "}\n"...)
}

// requestHeader is the first of these headers that the request has.
func (e *Entry) requestHeader(names ...string) []byte {
	for _, name := range names {
		if value := e.Source.RequestHeader(name); value != nil {
			return value
		}
	}
	return nil
}

func (e *Entry) requestID() []byte {
	if id := e.requestHeader("x-request-id", "x-correlation-id"); id != nil {
		return id
	}
	return e.Source.ResponseHeader("x-request-id")
}

// appendJSONText writes a JSON string, or null for nil. Control characters and the line separators of Unicode are
// escaped as \u00XX; a byte that is not UTF-8 becomes the replacement character.
func appendJSONText(dst, text []byte) []byte {
	if text == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		case r == utf8.RuneError && size == 1:
			dst = append(dst, "\ufffd"...)
		default:
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return append(dst, '"')
}
