package master

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

// die ends a worker while it is inside a request.
func (w *world) die(k *fakeWorker, path string) {
	w.t.Helper()
	slot := w.m.shared.Board.Slot(k.serve.Worker.Slot)
	slot.Init(k.pid, 1)
	slot.Begin(w.clock.UnixNano(), []byte("GET"), []byte(path), netip.AddrPort{})
	w.end(k, signaled(unix.SIGKILL))
	w.run()
}

func TestWorkerThatWasReadyIsReplacedAtOnceEveryTime(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	for range 50 {
		w.die(w.alive()[0], "/poison")
		w.wantAlive(2)
		w.die(w.alive()[1], "/poison") // the youngest: it has just become ready
		w.wantAlive(2)
	}
	if n := len(w.workers); n != 102 {
		t.Errorf("%d workers were forked, want 102", n)
	}
	for range 20 {
		for _, k := range w.alive() {
			w.end(k, signaled(unix.SIGSEGV))
		}
		w.run()
		w.wantAlive(2)
	}
}

func TestDeathsInRequestsAreCountedInTheLog(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	count := func() int { return strings.Count(w.lines(), "in the last minute") }
	w.die(w.alive()[0], "/x")
	w.die(w.alive()[0], "/x")
	if count() != 0 {
		t.Errorf("two accidents are a line each, no more:\n%s", w.lines())
	}
	w.die(w.alive()[0], "/x")
	w.wantLog("[ERROR] Workers 0, 1 died 3 times in the last minute, last request GET /x")
	for range 20 {
		w.pass(400 * time.Millisecond)
		w.die(w.alive()[1], "/y\x1b")
	}
	if count() != 1 {
		t.Errorf("%d lines in eight seconds", count())
	}
	w.pass(2 * time.Second)
	w.wantLog(`Workers 0, 1 died 23 times in the last minute, last request GET /y\x1b`)
	w.pass(2 * time.Minute)
	if count() != 2 {
		t.Errorf("the line comes again though nobody died:\n%s", w.lines())
	}
	for range 3 {
		w.die(w.alive()[1], "/z")
	}
	w.wantLog("died 3 times in the last minute, last request GET /z")
}

func TestOrderlyEndsAreNotCounted(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	for range 5 {
		w.alive()[0].ch.say(workerctl.WorkerDraining{Reason: "max_requests"})
		w.run()
		w.end(w.alive()[0], exited(0))
		w.run()
	}
	w.signal(unix.SIGHUP)
	w.signal(unix.SIGHUP)
	w.pass(time.Minute)
	if strings.Contains(w.lines(), "in the last minute") {
		t.Errorf("log:\n%s", w.lines())
	}
}

// The kernel may have woken the dead worker for a connection.
func TestOthersLookIntoTheQueuesWhenOneDies(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	if got := w.alive()[0].got; !reflect.DeepEqual(got, []string{"Look"}) {
		t.Errorf("the other one is told %v", got)
	}
}

func TestReloadCompletesThoughRequestsKill(t *testing.T) {
	for _, oneByOne := range []bool{false, true} {
		w := newWorld(t, map[string]any{"reload_one_by_one": oneByOne, "workers": 3})
		w.serve()
		w.bootHangs = true
		w.signal(unix.SIGHUP)
		for range 20 { // as soon as one is ready a request kills it
			for _, k := range w.alive() {
				if k.order.Generation == 2 {
					w.ready(k)
					w.end(k, signaled(unix.SIGKILL))
					w.run()
				}
			}
		}
		if w.m.gens.Next != nil && oneByOne {
			w.wantAlive(w.m.gens.Current.Workers) // one new one at a time
		}
		for _, k := range w.alive() {
			if k.order.Generation == 2 {
				w.ready(k)
			}
		}
		w.pass(2 * time.Second)
		w.wantLog("Generation 2 serves")
		w.bootHangs = false
		for _, k := range w.alive() {
			w.ready(k)
		}
		w.wantAlive(3)
		if strings.Contains(w.lines(), "Reload failed") {
			t.Errorf("log:\n%s", w.lines())
		}
	}
}

func TestReloadWithoutAWorkerThatIsReadyFails(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.bootHangs = true
	w.signal(unix.SIGHUP)
	for _, k := range w.alive() {
		if k.order.Generation == 2 {
			w.end(k, signaled(unix.SIGKILL))
		}
	}
	w.run()
	w.wantLog("Reload failed: generation 1 serves on")
	w.wantAlive(2)
}

func TestZygoteThatWasReadyIsReplacedAtOnceEveryTime(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	for n := range 10 {
		w.kill(w.zygote().pid, unix.SIGKILL)
		w.run()
		if len(w.zygotes) != n+2 {
			t.Fatalf("%d zygotes after %d deaths in the same second", len(w.zygotes), n+1)
		}
	}
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	w.wantAlive(2)
}
