package http2

import (
	"encoding/binary"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
)

// begin sends the head of the i-th request.
func begin(p *peer, i int, end bool) uint32 {
	id := uint32(2*i + 1)
	if end {
		p.headers(id, true, get("/")...)
	} else {
		p.headers(id, false, post()...)
	}
	return id
}

// attacks are the i-th of many: frames that cost work and bring nothing.
var attacks = map[string]func(p *peer, i int){
	"rapid reset":    func(p *peer, i int) { _ = p.w.WriteRSTStream(begin(p, i, true), xhttp2.ErrCodeCancel) },
	"made you reset": func(p *peer, i int) { _ = p.w.WriteWindowUpdate(begin(p, i, true), 0) },
	"malformed":      func(p *peer, i int) { p.headers(uint32(2*i+1), true, "nonsense", "x") },
	"ping":           func(p *peer, i int) { _ = p.w.WritePing(false, [8]byte{}) },
	"settings":       func(p *peer, i int) { _ = p.w.WriteSettings() },
	"priority":       func(p *peer, i int) { _ = p.w.WritePriority(1, xhttp2.PriorityParam{}) },
	"updates of priority": func(p *peer, i int) {
		_ = p.w.WriteRawFrame(0x10, 0, 0, append(binary.BigEndian.AppendUint32(nil, 1), "u=1"...))
	},
	"unknown frames": func(p *peer, i int) { _ = p.w.WriteRawFrame(0xfa, 0, 0, nil) },
	"window by bytes": func(p *peer, i int) {
		_ = p.w.WriteWindowUpdate(0, 1)
	},
	"empty data": func(p *peer, i int) {
		if i == 0 {
			begin(p, 0, false)
		}
		_ = p.w.WriteData(1, false, nil)
	},
	"empty padded data": func(p *peer, i int) {
		if i == 0 {
			begin(p, 0, false)
		}
		_ = p.w.WriteDataPadded(1, false, nil, []byte{0})
	},
	"continuation": func(p *peer, i int) {
		if i == 0 {
			_ = p.w.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1})
		}
		_ = p.w.WriteContinuation(1, false, nil)
	},
	"open streams": func(p *peer, i int) { begin(p, i, false) },
	"data for a stream that was refused": func(p *peer, i int) {
		if i == 0 {
			p.headers(1, false, "nonsense", "x")
		}
		_ = p.w.WriteData(1, false, []byte("x"))
	},
}

// TestFloods sends what costs work and brings nothing, in reads of 16 KiB, until the session has had enough.
func TestFloods(t *testing.T) {
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, usual).begun()
			seen, frames := 0, 0
			for frames = 0; frames < 2000 && !p.s.Dead(); frames++ {
				attack(p, frames)
				if p.to.Len() > 16<<10 {
					p.feed()
					seen += len(p.news())
				}
			}
			p.feed()
			seen += len(p.news())
			out := p.frames()
			if !p.s.Dead() || !strings.HasPrefix(out[len(out)-1], "goaway") || !strings.HasSuffix(out[len(out)-1], "ENHANCE_YOUR_CALM") {
				t.Errorf("not stopped after %d frames: %v", frames, out[max(0, len(out)-3):])
			}
			if name != "open streams" && seen > 1 {
				t.Errorf("%d requests reach the owner", seen)
			}
			if p.s.Streams() > usual.Streams {
				t.Errorf("%d streams are held", p.s.Streams())
			}
		})
	}
}

// TestBomb refers to one large entry of the HPACK table again and again: the list is counted, not kept.
func TestBomb(t *testing.T) {
	p := newPeer(t, usual).begun()
	block := append([]byte{0x82, 0x87, 0x84, 0x40, 1, 'a', 0x7f, 0x80 | (3900-127)&0x7f, (3900 - 127) >> 7}, strings.Repeat("x", 3900)...)
	block = append(block, strings.Repeat("\xbe", 12000)...)
	_ = p.w.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true, EndHeaders: true})
	p.feed()
	if all := p.news(); len(all) != 1 || !all[0].TooLarge || len(p.s.block.list) > 20 {
		t.Fatalf("%d streams, %d fields kept", len(all), len(p.s.block.list))
	}
}

// TestClientsThatBehaveAreNotCounted: many small answers, each confirmed by a small WINDOW_UPDATE.
func TestClientsThatBehaveAreNotCounted(t *testing.T) {
	p := newPeer(t, usual).begun()
	for i := range 10000 {
		id := uint32(2*i + 1)
		p.headers(id, true, get("/")...)
		p.now -= 1e6 // all at once
		p.feed()
		for _, st := range p.news() {
			st.Answer([]byte(okHead))
			st.Data([]byte("hello"))
			st.End()
		}
		_ = p.w.WriteWindowUpdate(0, 5)
		p.from.Reset()
	}
	p.feed()
	if p.s.Dead() {
		t.Error("given up")
	}
}
