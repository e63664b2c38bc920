package http2

import "testing"

func TestUpgrade(t *testing.T) {
	head := []byte("POST /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAAAC\r\nX-Y: z\r\nContent-Length: 2\r\n\r\n")
	set, ok := Upgrade(head)
	if !ok {
		t.Fatal("not seen")
	}
	p := newPeer(t, usual)
	p.s.Begin(set, head, []byte("hi"))
	p.feed()
	p.frames()
	st := p.news()[0]
	if got := text(st); got != "POST /up HTTP/2.0\r\nHost: a\r\nX-Y: z\r\ncontent-length: 2\r\n\r\nhi" {
		t.Fatalf("%q", got)
	}
	st.Answer([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	if n := st.Room(); n != 2 {
		t.Errorf("room %d, and the client has allowed 2", n)
	}
	for _, no := range []string{
		"GET / HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAIAAAAC\r\n\r\n", // ENABLE_PUSH 2
	} {
		if _, ok := Upgrade([]byte(no)); ok {
			t.Errorf("%q upgrades", no)
		}
	}
}
