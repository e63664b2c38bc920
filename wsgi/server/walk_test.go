package server

import (
	"fmt"
	"testing"

	"gosrv/wsgi/call"
)

// BenchmarkHello is one small request after the other on one connection. tests/walk_test.go looks which files
// it goes through.
func BenchmarkHello(b *testing.B) {
	s := serveFake(b, testSettings(), nil)
	reply := fakeReply{status: "200 OK", headers: []string{"Content-Type: text/plain"}, body: []byte("hello")}
	packed := s.app.pack(&reply)
	quick := func(out []byte, res *call.Result) call.State {
		*res = call.Result{FD: -1, Total: 5, HeadLen: uint32(copy(out, packed)), BodyLen: 5}
		res.BodyOff = res.HeadLen
		copy(out[res.BodyOff:], "hello")
		return call.Done
	}
	s.app.quick.Store(&quick)
	c := s.dial()
	request := []byte(get("/path?query"))
	answer := make([]byte, len(fmt.Sprintf(keptHead, 5))+len("Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n")+5)
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		for n := 0; n < len(answer); {
			k, err := c.Read(answer)
			if err != nil {
				b.Fatal(err)
			}
			n += k
		}
	}
}
