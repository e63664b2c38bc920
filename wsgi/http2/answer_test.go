package http2

import (
	"fmt"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
)

const okHead = "HTTP/1.1 200 OK\r\nServer: gosrv\r\nConnection: close\r\nContent-Length: 5\r\nX-Own: 1\r\n\r\n"

func TestAnswerIsWrittenInFrames(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/")...)
	p.feed()
	st := p.news()[0]
	if n := st.Answer([]byte(okHead + "hello")); n != len(okHead) {
		t.Fatal(n)
	}
	st.Data([]byte("hello"))
	st.End()
	p.want("headers 1 :status=200 server=gosrv content-length=5 x-own=1", `data 1 "hello" end`)
	if p.s.Streams() != 0 {
		t.Error("the stream is not over")
	}
}

func TestEndBehindWhatWasSentIsAFrameOfItsOwn(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/")...)
	p.feed()
	st := p.news()[0]
	st.Answer([]byte("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
	st.Answer([]byte("HTTP/1.1 418 Teapot\r\n\r\n"))
	st.Data([]byte("a"))
	p.s.Unsent() // the transport has seen it, and may have encrypted it
	st.End()
	p.want("headers 1 :status=103 link=</a>", "headers 1 :status=418", `data 1 "a"`, `data 1 "" end`)
}

func TestShortAnswerIsReset(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/")...)
	p.headers(3, true, get("/")...)
	p.headers(5, true, ":method", "HEAD", ":scheme", "https", ":path", "/", ":authority", "a")
	p.feed()
	all := p.news()
	all[0].Answer([]byte(okHead))
	all[0].Data([]byte("hell"))
	all[0].End()
	all[1].End()
	all[2].Answer([]byte(okHead))
	all[2].End()
	const head = " :status=200 server=gosrv content-length=5 x-own=1"
	p.want("headers 1"+head, `data 1 "hell"`, "reset 1 INTERNAL_ERROR", "reset 3 INTERNAL_ERROR", "headers 5"+head+" end")
}

func TestAnswerBeforeTheBodyTellsThePeerToStop(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, false, post()...)
	p.feed()
	st := p.news()[0]
	st.Answer([]byte("HTTP/1.1 413 Too Large\r\n\r\n"))
	st.End()
	p.want("headers 1 :status=413 end", "reset 1 NO_ERROR")
	_ = p.w.WriteData(1, true, []byte("late")) // it has crossed the reset
	p.feed()
	p.want()
}

func TestTrailersFollowTheBody(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/")...)
	p.feed()
	st := p.news()[0]
	st.Answer([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	st.Data([]byte("x"))
	st.Trailers([][2]string{{"grpc-status", "0"}})
	st.End()
	p.want("headers 1 :status=200", `data 1 "x"`, "headers 1 grpc-status=0 end")
}

func TestLargeHeadIsContinued(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/")...)
	p.feed()
	st := p.news()[0]
	value := strings.Repeat("v", 3*leastFrame)
	st.Answer([]byte("HTTP/1.1 200 OK\r\nX: " + value + "\r\n\r\n"))
	st.End()
	p.want("headers 1 :status=200 x=" + value + " end")
}

func TestDataGoesAsFarAsTheWindows(t *testing.T) {
	p := newPeer(t, usual).begun()
	_ = p.w.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 3})
	p.headers(1, true, get("/")...)
	p.feed()
	p.frames()
	st := p.news()[0]
	st.Answer([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	if n := st.Room(); n != 3 {
		t.Fatal(n)
	}
	st.Data([]byte("abc"))
	if st.Room() != 0 || p.s.NextTurn() != nil {
		t.Fatal("there is room beyond the window")
	}
	_ = p.w.WriteWindowUpdate(1, 2)
	p.feed()
	if p.s.NextTurn() != st || st.Room() != 2 {
		t.Fatal("not told of the window")
	}
	_ = p.w.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0})
	p.feed()
	if st.Room() != 0 || !st.Stalled() {
		t.Fatal("the window has not shrunk")
	}
}

func TestUnsentBoundsWhatIsTaken(t *testing.T) {
	p := newPeer(t, usual).begun()
	_ = p.w.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 30})
	_ = p.w.WriteWindowUpdate(0, 1<<30)
	p.headers(1, true, get("/")...)
	p.feed()
	st := p.news()[0]
	p.frames()
	st.Answer([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	n := st.Room()
	st.Data(make([]byte, n))
	if st.Room() != 0 || p.s.Waits() > MostUnsent+1024 {
		t.Fatalf("%d bytes wait, and there is room for more", p.s.Waits())
	}
	p.take()
	if p.s.NextTurn() != st {
		t.Fatal("not told that there is room")
	}
}

func TestWindowComesBackWhenTheBodyIsRead(t *testing.T) {
	p := newPeer(t, usual).begun()
	_ = p.w.WriteSettingsAck()
	p.headers(1, false, post("content-length", "1000000")...)
	_ = p.w.WriteData(1, false, make([]byte, leastFrame))
	_ = p.w.WriteData(1, false, make([]byte, leastFrame))
	_ = p.w.WriteData(1, false, make([]byte, leastFrame))
	p.feed()
	p.want()
	st := p.news()[0]
	text(st)
	p.want(fmt.Sprintf("window 1 %d", 3*leastFrame))
}
