package response

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// pack makes a head as C does.
func pack(status string, headers ...string) PackedHead {
	p := binary.LittleEndian.AppendUint16(nil, uint16(len(status)))
	p = append(p, status...)
	p = binary.LittleEndian.AppendUint16(p, uint16(len(headers)/2))
	for i := 0; i < len(headers); i += 2 {
		p = binary.LittleEndian.AppendUint16(p, uint16(len(headers[i])))
		p = binary.LittleEndian.AppendUint32(p, uint32(len(headers[i+1])))
		p = append(append(p, headers[i]...), headers[i+1]...)
	}
	return p
}

// randomHead draws from few heads, so that most are alike but for a length.
func randomHead(r *rand.Rand) PackedHead {
	number := fmt.Sprint([]int{0, 5, 7, 12, 13, 99, 123456}[r.IntN(7)])
	switch r.IntN(12) {
	case 0:
		number = "-1"
	case 1:
		number = "007"
	}
	status := []string{"200 OK", "200 OK", "200 OK", "204 No Content", "304 Not Modified", "20 Short"}[r.IntN(6)]
	headers := []string{"Content-Type", "text/plain", "X-Note", "Content-Length: 12"}
	for range []int{1, 1, 1, 0, 2}[r.IntN(5)] {
		headers = append(headers, []string{"Content-Length", "content-length", "Content-Length"}[r.IntN(3)], number)
		if r.IntN(8) == 0 {
			number = "12"
		}
	}
	if r.IntN(3) == 0 {
		headers = append(headers, "Set-Cookie", "a=1")
	}
	return pack(status, headers...)
}

func TestARememberedHeadIsWhatAFreshOneWouldBe(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var m Cache
	var d Date
	repeats := 0
	for n := range 200000 {
		head := randomHead(r)
		x := Request{Head: r.IntN(9) == 0, Old: r.IntN(9) == 0, Keep: r.IntN(3) > 0, Kept: "Connection: keep-alive",
			Server: "Server: gosrv\r\n", Total: []int64{-1, 0, 5, 12, 12, 99, 1234}[r.IntN(7)]}
		wanted, wantedFault := Check(head, x)
		fresh := "before"
		if wantedFault == "" {
			fresh = string(appendHead([]byte("before"), head, wanted, x, d.At(0)))
		}
		if m.date == d.next {
			if _, _, ok := m.repeat(nil, head, x); ok {
				repeats++
			}
		}
		got, f, fault := m.Append([]byte("before"), head, x, &d, 0)
		if string(got) != fresh || f != wanted && fault == "" || fault != wantedFault {
			t.Fatalf("head %d, %q with %+v:\n%q\n%+v %s\ninstead of\n%q\n%+v %s", n, head, x, got, f, fault, fresh, wanted, wantedFault)
		}
	}
	if repeats < 1000 {
		t.Errorf("only %d of them were remembered", repeats)
	}
}

func BenchmarkHeadOfAnotherLength(b *testing.B) {
	var m Cache
	var d Date
	x := Request{Keep: true, Kept: "Connection: keep-alive", Server: "Server: gosrv\r\n"}
	var heads [2]PackedHead
	for i := range heads {
		heads[i] = pack("200 OK", "Content-Type", "text/html; charset=utf-8", "Content-Length", fmt.Sprint(1000+i), "Cache-Control", "no-store",
			"Vary", "Cookie, Accept-Language", "X-Frame-Options", "DENY")
	}
	buf := make([]byte, 0, 1024)
	for n := 0; b.Loop(); n++ {
		buf, _, _ = m.Append(buf[:0], heads[n&1], x, &d, 0)
	}
}

func TestOtherProtocolsAreAnnounced(t *testing.T) {
	var d Date
	d.At(0)
	for _, c := range []struct{ status, connection, want string }{
		{"101 Switching Protocols", "Upgrade", "Connection: upgrade\r\nUpgrade: websocket\r\n"},
		{"101 Switching Protocols", "close", "Connection: close\r\nUpgrade: websocket\r\n"},
		{"200 OK", "Upgrade", "Connection: close\r\nTransfer-Encoding: chunked\r\n"},
	} {
		head := pack(c.status, "Upgrade", "websocket", "Connection", c.connection)
		x := Request{Total: -1}
		f, fault := Check(head, x)
		if fault != "" || f.Keep {
			t.Fatalf("%s: %+v %s", c.status, f, fault)
		}
		want := "HTTP/1.1 " + c.status + "\r\nDate: now\r\n" + c.want + "\r\n"
		if got := string(appendHead(nil, head, f, x, []byte("now"))); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}
