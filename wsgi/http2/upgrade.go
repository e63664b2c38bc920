package http2

import (
	"bytes"
	"encoding/base64"
)

// Switching answers a request that is to go on as stream 1 (RFC 7540 section 3.2).
const Switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

// MostUpgraded is the largest body, in bytes, of a request that may become a stream: Gunicorn's.
const MostUpgraded = 64 << 10

// Upgrade tells whether an HTTP/1.1 head, which http1 has accepted, asks for HTTP/2 in Gunicorn's reading of
// it, and gives the client's settings. One that asks wrongly is an ordinary request.
func Upgrade(head []byte) (settings []byte, asked bool) {
	var coded []byte
	var h2c, named, upgrade bool
	seen := 0
	for name, value := range headFields(head) {
		switch {
		case bytes.EqualFold(name, []byte("upgrade")):
			h2c = bytes.EqualFold(value, []byte("h2c"))
		case bytes.EqualFold(name, []byte("http2-settings")):
			coded = value
			seen++
		case bytes.EqualFold(name, []byte("connection")):
			for token := range bytes.SplitSeq(value, []byte(",")) {
				token = bytes.TrimSpace(token)
				named = named || bytes.EqualFold(token, []byte("http2-settings"))
				upgrade = upgrade || bytes.EqualFold(token, []byte("upgrade"))
			}
		}
	}
	if !h2c || seen != 1 || !named || !upgrade {
		return nil, false
	}
	settings = make([]byte, base64.RawURLEncoding.DecodedLen(len(coded)))
	n, err := base64.RawURLEncoding.Decode(settings, bytes.TrimRight(coded, "="))
	if err != nil || n%6 != 0 || n > 6*mostSettings {
		return nil, false
	}
	probe := &Session{}
	return settings[:n], apply(probe, settings[:n]).code == NoError
}

// headFields walks the fields of a head. Folded lines, which only permit_obsolete_folding lets through, are
// part of no field that matters here.
func headFields(head []byte) func(yield func(name, value []byte) bool) {
	return func(yield func(name, value []byte) bool) {
		for line := range bytes.SplitSeq(head, []byte("\r\n")) {
			colon := bytes.IndexByte(line, ':')
			if colon > 0 && bytes.IndexByte(line[:colon], ' ') < 0 && !yield(line[:colon], bytes.Trim(line[colon+1:], " \t")) {
				return
			}
		}
	}
}

// Begin makes a request that has asked for it stream 1, before the first Feed. head is its own, and body all
// of it, without chunks.
func (s *Session) Begin(settings, head, body []byte) {
	apply(s, settings) // Upgrade has judged them
	s.last = 1
	st := newStream(s, 1)
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, _, _ := bytes.Cut(rest, []byte(" "))
	st.noBody = string(method) == "HEAD"
	st.text = append(append(append(st.text, method...), ' '), target...)
	st.text = append(st.text, " HTTP/2.0\r\n"...)
	sized := len(body) > 0
	for name, value := range headFields(head[len(line):]) {
		switch string(bytes.ToLower(name)) {
		case "content-length":
			sized = true
			continue
		case "connection", "upgrade", "http2-settings", "keep-alive", "proxy-connection", "transfer-encoding", "expect":
			continue
		}
		st.text = append(append(append(append(st.text, name...), ": "...), value...), "\r\n"...)
	}
	if sized {
		st.text = appendNumbered(st.text, "content-length", len(body))
	}
	st.text = append(append(st.text, "\r\n"...), body...)
	st.ended, st.Weight = true, usualWeight
	s.streams[1] = st
	s.held++
	s.tell(st, Opened|Readable)
}
