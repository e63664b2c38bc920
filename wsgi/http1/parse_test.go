package http1

import "testing"

func TestParseSmoke(t *testing.T) {
	var r Request
	buf := []byte("GET /a%20b?c=d HTTP/1.1\r\nHost: localhost:8000\r\nAccept: */*\r\n\r\nrest")
	if err := new(Policy).Parse(buf, &r); err != nil {
		t.Fatal(err)
	}
	if string(r.Path.Of(buf)) != "/a%20b" || string(r.Query.Of(buf)) != "c=d" || r.HeadLen != len(buf)-4 || !r.KeepAlive {
		t.Fatalf("%+v", r)
	}
}
func BenchmarkParseHello(b *testing.B) {
	buf := []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: wrk/4.2.0\r\nAccept: */*\r\n\r\n")
	var r Request
	p := &Policy{RequestLine: 4094, Fields: 100, FieldSize: 8190}
	b.ReportAllocs()
	for b.Loop() {
		if p.Parse(buf, &r) != nil {
			b.Fatal()
		}
	}
}
