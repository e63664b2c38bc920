package http2

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var usual = Settings{Streams: 100, Window: firstWindow, Frame: leastFrame, List: 65536}

// peer is a client's side: what it writes, by somebody else's framer, and what it understands of our bytes.
type peer struct {
	t    testing.TB
	s    *Session
	to   bytes.Buffer // what is to be fed
	from bytes.Buffer // what the session has sent
	w    *xhttp2.Framer
	r    *xhttp2.Framer
	enc  *hpack.Encoder
	blk  bytes.Buffer
	now  int64
}

func newPeer(t testing.TB, set Settings) *peer {
	p := &peer{t: t, s: New(set, 0)}
	p.w = xhttp2.NewFramer(&p.to, nil)
	p.w.AllowIllegalWrites = true
	p.r = xhttp2.NewFramer(nil, &p.from)
	p.r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.enc = hpack.NewEncoder(&p.blk)
	p.to.WriteString(Preface)
	_ = p.w.WriteSettings()
	return p
}

func (p *peer) block(fields ...string) []byte {
	p.blk.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return p.blk.Bytes()
}

func get(path string, more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "https", ":path", path, ":authority", "a.test"}, more...)
}

func post(more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "https", ":path", "/p", ":authority", "a.test"}, more...)
}

func (p *peer) headers(id uint32, end bool, fields ...string) {
	_ = p.w.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: p.block(fields...), EndStream: end, EndHeaders: true})
}

// feed gives all that was written to the session.
func (p *peer) feed() {
	p.now += 1e6
	p.to.Next(p.s.Feed(p.to.Bytes(), p.now))
	p.take()
}

// take moves what the session wants to send.
func (p *peer) take() {
	b := p.s.Unsent()
	p.from.Write(b)
	p.s.Sent(len(b))
}

// frames are those that the session has sent, as text.
func (p *peer) frames() []string {
	p.take()
	var all []string
	for p.from.Len() > 0 {
		f, err := p.r.ReadFrame()
		if err != nil {
			p.t.Fatalf("our frame: %v", err)
		}
		switch f := f.(type) {
		case *xhttp2.SettingsFrame:
			if f.IsAck() {
				all = append(all, "settings ack")
			}
		case *xhttp2.GoAwayFrame:
			all = append(all, fmt.Sprintf("goaway %d %v", f.LastStreamID, f.ErrCode))
		case *xhttp2.RSTStreamFrame:
			all = append(all, fmt.Sprintf("reset %d %v", f.StreamID, f.ErrCode))
		case *xhttp2.DataFrame:
			all = append(all, fmt.Sprintf("data %d %q%s", f.StreamID, f.Data(), ended(f.StreamEnded())))
		case *xhttp2.MetaHeadersFrame:
			var fields []string
			for _, h := range f.Fields {
				fields = append(fields, h.Name+"="+h.Value)
			}
			all = append(all, fmt.Sprintf("headers %d %s%s", f.StreamID, strings.Join(fields, " "), ended(f.StreamEnded())))
		case *xhttp2.WindowUpdateFrame:
			all = append(all, fmt.Sprintf("window %d %d", f.StreamID, f.Increment))
		case *xhttp2.PingFrame:
			all = append(all, fmt.Sprintf("ping %q", f.Data))
		}
	}
	return all
}

func ended(end bool) string {
	if end {
		return " end"
	}
	return ""
}

// begun drops what the beginning of a session has sent.
func (p *peer) begun() *peer {
	p.feed()
	p.frames()
	return p
}

// news are the streams that the owner is told of.
func (p *peer) news() (all []*Stream) {
	for st, n := p.s.Next(); st != nil; st, n = p.s.Next() {
		if n&Opened != 0 {
			all = append(all, st)
		}
	}
	return all
}

// text is all that a stream has to be read.
func text(st *Stream) string {
	b := make([]byte, st.Unread())
	return string(b[:st.Read(b)])
}

func (p *peer) want(frames ...string) {
	p.t.Helper()
	if got := p.frames(); !slices.Equal(got, frames) {
		p.t.Fatalf("sent\n  %s\nnot\n  %s", strings.Join(got, "\n  "), strings.Join(frames, "\n  "))
	}
}

func TestRequestBecomesAnHTTP1Head(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/x?y=1", "cookie", "a=1", "accept", "*/*", "cookie", "b=2", "te", "trailers")...)
	p.feed()
	st := p.news()[0]
	const head = "GET /x?y=1 HTTP/2.0\r\nhost: a.test\r\ncookie: a=1; b=2\r\naccept: */*\r\nte: trailers\r\n\r\n"
	if got := text(st); got != head {
		t.Fatalf("%q", got)
	}
}

func TestBodyWithoutLengthIsWrittenInChunks(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, false, post()...)
	_ = p.w.WriteData(1, false, []byte("0123456789abcdefg"))
	_ = p.w.WriteDataPadded(1, true, []byte("xy"), make([]byte, 9))
	p.feed()
	want := "POST /p HTTP/2.0\r\ntransfer-encoding: chunked\r\nhost: a.test\r\n\r\n11\r\n0123456789abcdefg\r\n2\r\nxy\r\n0\r\n\r\n"
	if got := text(p.news()[0]); got != want {
		t.Fatalf("%q", got)
	}
}

func TestBodyHasTheLengthThatItPromised(t *testing.T) {
	for body, want := range map[string]string{"abc": "", "ab": "reset 1 PROTOCOL_ERROR", "abcd": "reset 1 PROTOCOL_ERROR"} {
		p := newPeer(t, usual).begun()
		p.headers(1, false, post("content-length", "3")...)
		_ = p.w.WriteData(1, true, []byte(body))
		p.feed()
		if want == "" {
			p.want()
			if got := text(p.news()[0]); !strings.HasSuffix(got, "\r\n\r\nabc") {
				t.Errorf("%q", got)
			}
			continue
		}
		p.want(want)
		if p.news() != nil {
			t.Errorf("body %q reaches the owner", body)
		}
	}
}

func TestWhatIsResetInTheSameReadIsNeverSeen(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/")...)
	_ = p.w.WriteRSTStream(1, xhttp2.ErrCodeCancel)
	p.headers(3, true, get("/b")...)
	p.feed()
	if all := p.news(); len(all) != 1 || all[0].ID() != 3 {
		t.Fatalf("%d streams", len(all))
	}
}

func TestMoreThanTheWindowIsRefused(t *testing.T) {
	p := newPeer(t, Settings{Streams: 10, Window: 10, Frame: leastFrame}).begun()
	p.headers(1, false, post()...)
	_ = p.w.WriteData(1, false, make([]byte, 1000)) // it cannot know yet
	p.feed()
	p.want()
	p.headers(3, false, post()...)
	_ = p.w.WriteSettingsAck()
	_ = p.w.WriteData(3, false, make([]byte, 11))
	p.feed()
	p.want("reset 3 FLOW_CONTROL_ERROR")
}

func TestTooManyStreamsAreRefused(t *testing.T) {
	p := newPeer(t, Settings{Streams: 2, Window: firstWindow, Frame: leastFrame}).begun()
	for id := uint32(1); id <= 5; id += 2 {
		p.headers(id, true, get("/")...)
	}
	p.feed()
	p.want("reset 5 REFUSED_STREAM")
	all := p.news()
	// The peer's reset frees no place as long as the application is at it.
	_ = p.w.WriteRSTStream(1, xhttp2.ErrCodeCancel)
	p.headers(7, true, get("/")...)
	p.feed()
	p.want("reset 7 REFUSED_STREAM")
	all[0].End()
	p.headers(9, true, get("/")...)
	p.feed()
	p.want()
}

func TestLargeHeaderListIsToldAndTheTableGoesOn(t *testing.T) {
	p := newPeer(t, Settings{Streams: 9, Window: firstWindow, Frame: leastFrame, List: 2000}).begun()
	p.headers(1, true, get("/", "x", strings.Repeat("v", 3000))...)
	p.headers(3, true, get("/next", "y", "kept")...)
	p.feed()
	all := p.news()
	if !all[0].TooLarge || all[1].TooLarge || !strings.Contains(text(all[1]), "y: kept") {
		t.Fatal("not as meant")
	}
}

func TestLeaving(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/")...)
	p.feed()
	st := p.news()[0]
	p.s.Warn()
	p.want("goaway 2147483647 NO_ERROR", `ping "gosrv-go"`)
	p.headers(3, true, get("/on-its-way")...)
	_ = p.w.WritePing(true, [8]byte([]byte(leavingPing)))
	p.headers(5, true, get("/too-late")...)
	p.feed()
	p.want("goaway 3 NO_ERROR")
	late := p.news()
	if len(late) != 1 || p.s.Over() {
		t.Fatal("what was on its way is not served")
	}
	for _, st := range []*Stream{st, late[0]} {
		st.Answer([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		st.End()
	}
	if !p.s.Over() {
		t.Error("not over")
	}
}
