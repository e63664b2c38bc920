package master

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/reuseport"
)

// serveWithOwnSockets starts a world in which each worker has its own sockets; those of
// the second one and of later ones listen, as they do once they are ready.
func serveWithOwnSockets(t *testing.T, workers int) *world {
	t.Helper()
	w := newWorld(t, map[string]any{"workers": workers, "reuse_port": true})
	t.Cleanup(func() { w.m.ports.Close(false) })
	w.serve()
	w.listenAll()
	w.run()
	return w
}

func (w *world) listenAll() {
	for _, l := range w.m.ports.Own() {
		if err := unix.Listen(l.FD, 8); err != nil {
			w.t.Fatal(err)
		}
	}
}

// ids are the numbers of the sockets that a worker was given.
func (k *fakeWorker) ids() []int {
	var ids []int
	for _, l := range k.serve.Listeners {
		ids = append(ids, l.ID)
	}
	return ids
}

func TestEachWorkerHasASocketOfItsOwn(t *testing.T) {
	w := serveWithOwnSockets(t, 3)
	seen := map[int]bool{}
	for _, k := range w.alive() {
		if len(k.ids()) != 1 || k.ids()[0] == 0 || seen[k.ids()[0]] || k.serve.Listeners[0].Port != w.m.gens.Current.Sockets[0].Bound.Port {
			t.Errorf("worker %d has %+v", k.order.Nr, k.serve.Listeners)
		}
		seen[k.ids()[0]] = true
		if len(k.got) != 0 {
			t.Errorf("worker %d was told %v although every socket is served", k.order.Nr, k.got)
		}
	}
}

func TestASocketIsCoveredUntilTheSuccessorIsReady(t *testing.T) {
	w := serveWithOwnSockets(t, 2)
	victim, other := w.alive()[1], w.alive()[0]
	w.bootHangs = true
	w.end(victim, signaled(unix.SIGSEGV))
	w.run()
	if !slices.Equal(other.got, []string{"Look", "Cover"}) {
		t.Fatalf("the other worker was told %v", other.got)
	}
	successor := w.alive()[1]
	if !slices.Equal(successor.ids(), victim.ids()) || successor.order.Nr != victim.order.Nr {
		t.Errorf("the successor has sockets %v, its predecessor had %v", successor.ids(), victim.ids())
	}
	w.ready(successor)
	if !slices.Equal(other.got, []string{"Look", "Cover", "Uncover"}) {
		t.Errorf("the other worker was told %v", other.got)
	}
}

func TestASocketOfTTOUEndsWhenItIsEmpty(t *testing.T) {
	w := serveWithOwnSockets(t, 2)
	stays, goes := w.alive()[0], w.alive()[1]
	goes.deaf = true // it has a long request
	w.signal(unix.SIGTTOU)
	if !slices.Equal(goes.got, []string{"SIGTERM", "Drain"}) && !slices.Equal(goes.got, []string{"Drain", "SIGTERM"}) {
		t.Errorf("the last worker was told %v", goes.got)
	}
	if !slices.Equal(stays.got, []string{"Cover"}) || len(w.m.ports.Own()) != 1 {
		t.Errorf("the first worker was told %v; %d sockets", stays.got, len(w.m.ports.Own()))
	}
	w.pass(reuseport.Grace + 100*time.Millisecond)
	if !slices.Equal(stays.got, []string{"Cover", "Uncover"}) || goes.got[len(goes.got)-1] != "Uncover" || len(w.m.ports.Own()) != 0 {
		t.Errorf("told %v and %v; %d sockets", stays.got, goes.got, len(w.m.ports.Own()))
	}
	w.signal(unix.SIGTTIN)
	if got := w.alive(); len(got) != 3 || got[2].order.Nr != 1 || len(w.m.ports.Own()) != 1 {
		t.Errorf("TTIN: %d sockets", len(w.m.ports.Own()))
	}
}

func TestAReloadKeepsTheSocketsAndAFailedOneDropsItsOwn(t *testing.T) {
	w := serveWithOwnSockets(t, 2)
	before := w.alive()[1].ids()
	w.signal(unix.SIGHUP)
	w.wantAlive(2)
	if got := w.alive()[1].ids(); !slices.Equal(got, before) {
		t.Errorf("sockets %v, before %v", got, before)
	}
	w.settings["workers"] = 4
	w.bootHangs = true
	w.signal(unix.SIGHUP)
	if len(w.m.ports.Own()) != 3 {
		t.Fatalf("%d sockets for four workers", len(w.m.ports.Own()))
	}
	w.end(w.alive()[5], exited(1))
	w.run()
	w.pass(reuseport.Grace + 100*time.Millisecond)
	if len(w.m.ports.Own()) != 1 || w.m.gens.Current.Number != 2 {
		t.Errorf("%d sockets after a reload that failed", len(w.m.ports.Own()))
	}
}

func TestAnUpgradeHandsOverTheSockets(t *testing.T) {
	w := serveWithOwnSockets(t, 2)
	w.signal(unix.SIGUSR2)
	want := []int{w.m.gens.Current.Sockets[0].FD, w.m.ports.Own()[0].FD}
	if len(w.successors) != 1 || !slices.Equal(w.successors[0].sockets, want) {
		t.Fatalf("%+v, want sockets %v", w.successors, want)
	}
	w.signal(unix.SIGTTOU) // the new master's workers serve it: it must stay
	w.pass(reuseport.Grace + 100*time.Millisecond)
	if len(w.m.ports.Own()) != 1 {
		t.Error("a socket was closed that the other master's worker serves")
	}
}

func TestInheritedSocketsAreServed(t *testing.T) {
	w := newWorld(t, map[string]any{"reuse_port": true, "workers": 1})
	t.Cleanup(func() { w.m.ports.Close(false) })
	first, err := listen.Open(listen.Addr{Kind: listen.TCP, Host: "127.0.0.1"}, listen.Options{Backlog: 8, ReusePort: true})
	if err != nil {
		t.Fatal(err)
	}
	second, err := listen.Beside(first)
	if err == nil {
		err = unix.Listen(second.FD, 8)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.settings["bind"] = []string{fmt.Sprintf("127.0.0.1:%d", first.Bound.Port)}
	w.m.opt.Origin.Sockets = []int{first.FD, second.FD}
	w.m.upgrade.parent, w.parent = 7, 7
	w.serve()
	if got := w.alive()[0]; !slices.Equal(got.got, []string{"Cover"}) {
		t.Errorf("the one worker was told %v", got.got)
	}
	w.parent = 1 // the old master has gone
	w.run()
	w.pass(reuseport.Grace + 100*time.Millisecond)
	if len(w.m.ports.Own()) != 0 {
		t.Error("a socket without a worker stays open")
	}
}
