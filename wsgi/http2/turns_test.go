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

func TestWhoIsUrgentIsWaitedFor(t *testing.T) {
	p := newPeer(t, usual).begun()
	p.headers(1, true, get("/1", "priority", "u=6")...)
	p.headers(3, true, get("/3", "priority", "u=1")...)
	p.headers(5, true, get("/5")...)
	p.headers(7, true, get("/7")...)
	p.feed()
	streams := p.news()
	for _, st := range streams {
		st.Answer([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	}
	late, urgent, one, other := streams[0], streams[1], streams[2], streams[3]
	p.s.await(one)
	if !late.Yields() || urgent.Yields() || other.Yields() {
		t.Error("those of an urgency that share wait for nobody of their kind, the others for what is more urgent")
	}
	if p.s.NextTurn() != one || !late.Yields() {
		t.Error("who was told of its turn has not come yet")
	}
	if one.Room() == 0 || late.Yields() {
		t.Error("it has come")
	}
	p.s.await(urgent)
	if p.s.NextTurn(); !one.Yields() {
		t.Error("it has not come yet")
	}
	if p.s.PassOver(); one.Yields() {
		t.Error("it was passed over")
	}
	p.s.await(urgent)
	p.s.NextTurn()
	if urgent.Reset(InternalError); late.Yields() {
		t.Error("it has ended")
	}
}
