package generation

import (
	"net/netip"
	"testing"

	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/zygote"
)

func TestOneOrTwoGenerations(t *testing.T) {
	var s Generations
	s.Current = s.Begin()
	if s.Current.Number != 1 || len(s.All()) != 1 || s.Newest() != s.Current {
		t.Fatalf("%+v", s)
	}
	s.Next = s.Begin()
	if s.Next.Number != 2 || len(s.All()) != 2 || s.Newest() != s.Current {
		t.Error("hooks are run by a generation that has loaded nothing yet")
	}
	s.Next.Zygote = &zygote.Process{State: zygote.Ready}
	if s.Newest() != s.Next || s.Numbered(2) != s.Next || s.Numbered(3) != nil {
		t.Error("the next one is not found")
	}
	s.Current, s.Next = s.Next, nil
	if s.Numbered(1) != nil || s.Of(1) != s.Current {
		t.Error("workers of a retired generation live by the current one's settings")
	}
	if z := s.Current.TakeZygote(); z == nil || s.Current.Zygote != nil || s.Current.Up() {
		t.Error("the zygote was not given away")
	}
}

func TestBeforeTheSettingsAreKnown(t *testing.T) {
	var s Generations
	g := s.Begin()
	if g.Grace() != 0 || g.Timeout() != configTimeout || g.ReusesPort() || g.HandsOver() {
		t.Errorf("grace %v, timeout %v", g.Grace(), g.Timeout())
	}
	g.Plan = &plan.Plan{}
	g.Plan.Worker.WorkerClass, g.Workers = "sync", 2
	if g.Timeout() != 0 || !g.HandsOver() {
		t.Error("the settings do not count")
	}
}

func TestWhatAllWorkersShareIsGivenBack(t *testing.T) {
	var s Shared
	if s.Request(0, 1) != "" {
		t.Error("a request before there is a scoreboard")
	}
	if err := s.Open(2); err != nil {
		t.Fatal(err)
	}
	s.Board.Slot(3).Init(42, 1)
	s.Board.Slot(3).Begin(1, []byte("GET"), []byte("/a\nb"), netip.AddrPort{})
	if got := s.Request(3, 42); got != `GET /a\nb` {
		t.Errorf("%q", got)
	}
	if s.Request(3, 43) != "" || s.Board.Slots() < minSlots || len(s.Exchange) != len(ExchangeNames) {
		t.Error("another process's request, or too few slots")
	}
	s.Close()
	s.Close()
	if s.Board != nil || s.Exchange != nil {
		t.Errorf("%+v", s)
	}
}
