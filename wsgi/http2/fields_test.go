package http2

import (
	"testing"

	"golang.org/x/net/http2/hpack"
)

// TestNoFieldBecomesALine: what would be another line or another request in HTTP/1 never gets there.
func TestNoFieldBecomesALine(t *testing.T) {
	type field = hpack.HeaderField
	base := []field{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "a"}}
	for _, f := range []field{
		{Name: ":path", Value: "/ HTTP/1.1\r\nx: y"}, {Name: ":path", Value: "/a b"}, {Name: ":path", Value: "/a\tb"}, {Name: ":path", Value: "/\x00"}, {Name: ":path"},
		{Name: ":path", Value: "http://b/"}, {Name: ":path", Value: "b:443"}, {Name: ":method", Value: "GET /x HTTP/1.1\r\n"}, {Name: ":method", Value: "GET /x"},
		{Name: ":method"}, {Name: ":scheme"}, {Name: ":authority", Value: "a\nb"}, {Name: ":authority", Value: "a b"},
		{Name: ":scheme", Value: "ht tp"}, {Name: ":protocol", Value: "websocket"}, {Name: ":status", Value: "200"}, {Name: ":", Value: "x"},
		{Name: "x", Value: "a\r\nb"}, {Name: "x", Value: "a\rb"}, {Name: "x", Value: "a\nb"}, {Name: "x", Value: "b\x00"}, {Name: "x", Value: " b"}, {Name: "x", Value: "b\t"},
		{Name: "x\r\ny", Value: "b"}, {Name: "x: y", Value: "b"}, {Name: "x ", Value: "b"}, {Name: "x\x00", Value: "b"}, {Name: "X", Value: "b"}, {Name: "", Value: "x"}, {Name: "\xe4", Value: "b"},
		{Name: "transfer-encoding", Value: "chunked"}, {Name: "connection", Value: "x"}, {Name: "keep-alive", Value: "x"}, {Name: "proxy-connection", Value: "x"}, {Name: "upgrade", Value: "h2c"},
		{Name: "te", Value: "gzip"}, {Name: "host", Value: "other"}, {Name: "content-length", Value: "+1"}, {Name: "content-length", Value: "1, 1"}, {Name: "content-length", Value: ""},
		{Name: "content-length", Value: "9999999999999999999"},
	} {
		list := make([]field, 0, 8)
		replaced := false
		for _, b := range base {
			if b.Name == f.Name {
				b, replaced = f, true
			}
			list = append(list, b)
		}
		if !replaced {
			list = append(list, f)
		}
		var text fields
		if text.gather(list) {
			t.Errorf("%q is taken", f)
		}
	}
	for _, bad := range [][]field{
		{{Name: ":path", Value: "/b"}}, {{Name: ":authority", Value: "a"}}, // twice
		{{Name: "x", Value: "1"}, {Name: ":protocol", Value: "x"}},
		{{Name: "content-length", Value: "1"}, {Name: "content-length", Value: "1"}},
		{{Name: "host", Value: "a"}, {Name: "host", Value: "a"}},
	} {
		var text fields
		if text.gather(append(append([]field{}, base...), bad...)) {
			t.Errorf("%q is taken", bad)
		}
	}
	var text fields
	late := []field{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: "x", Value: "1"}, {Name: ":path", Value: "/"}}
	if text.gather(late) {
		t.Error("a pseudo field behind others is taken")
	}
	good := append(append([]field{}, base...), field{Name: "host", Value: "a"}, field{Name: "te", Value: "trailers"}, field{Name: "content-length", Value: "7"}, field{Name: "x"})
	if !text.gather(good) || text.length != 7 {
		t.Error("a good request is refused")
	}
}
