package http2

import (
	"encoding/binary"
	"slices"
	"testing"
)

func TestTurnsGoByUrgency(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/1", "priority", "u=6")...)
	p.headers(3, true, get("/3", "priority", "u=1, i")...)
	p.headers(5, true, get("/5")...)
	p.headers(7, true, get("/7", "priority", "u=1,i;x=1")...)
	p.headers(9, true, get("/9", "priority", "nonsense,u=9")...)
	p.feed()
	for _, st := range p.news() {
		st.Answer([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		p.s.await(st)
	}
	_ = p.w.WriteRawFrame(0x10, 0, 0, append(binary.BigEndian.AppendUint32(nil, 5), "u=0"...))
	p.feed()
	order := func() (ids []uint32) {
		for st := p.s.NextTurn(); st != nil; st = p.s.NextTurn() {
			ids = append(ids, st.ID())
		}
		return ids
	}
	if got := order(); !slices.Equal(got, []uint32{5, 3, 7, 9, 1}) {
		t.Fatal(got)
	}
}
