package master

import (
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
)

func generationsOf(workers []*fakeWorker) []int {
	var list []int
	for _, k := range workers {
		list = append(list, k.order.Generation)
	}
	return list
}

func TestReloadRetiresTheOldOnlyWhenTheNewServe(t *testing.T) {
	w := newWorld(t, nil)
	w.hooks = map[string]int{"on_reload": 1}
	w.serve()
	old := w.alive()
	first := w.zygote()
	w.bootHangs = true
	w.signal(unix.SIGHUP)
	if got := generationsOf(w.alive()); !reflect.DeepEqual(got, []int{1, 1, 2, 2}) {
		t.Fatalf("generations %v", got)
	}
	fresh := w.alive()[2:]
	fresh[0].ch.say(workerctl.WorkerReady{})
	w.run()
	for _, k := range old {
		if k.dead || len(k.got) > 0 {
			t.Fatalf("an old worker was told %v while a new one still boots", k.got)
		}
	}
	fresh[1].ch.say(workerctl.WorkerReady{})
	w.run()
	if got := w.alive(); !reflect.DeepEqual(got, fresh) {
		t.Errorf("generations %v", generationsOf(got))
	}
	if !first.dead || len(first.hooks) != 0 || !reflect.DeepEqual(w.zygote().hooks, []string{"on_reload"}) {
		t.Errorf("old zygote dead: %v, hooks %v, %v", first.dead, first.hooks, w.zygote().hooks)
	}
	if w.binds != 1 {
		t.Errorf("bound %d times although bind did not change", w.binds)
	}
	w.wantLog("Handling signal: hup", "Hang up: Master")
}

func TestReloadTakesUpNewSettings(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.settings["workers"] = 4
	w.settings["bind"] = []string{"127.0.0.1:0", "127.0.0.1:00"}
	kept := w.m.gens.Current.Sockets[0]
	w.signal(unix.SIGHUP)
	w.wantAlive(4)
	if w.m.gens.Current.Sockets[0] != kept || len(w.m.gens.Current.Sockets) != 2 || len(w.alive()[0].serve.Listeners) != 2 {
		t.Errorf("listeners %v", w.m.gens.Current.Sockets)
	}
}

func TestReloadThatCannotLoadChangesNothing(t *testing.T) {
	failures := map[string]func(*world){
		"config file": func(w *world) {
			w.loadFails = &zygotectl.Failed{Stage: "config", Exit: 1, Message: "broken", Traceback: "Traceback\nX"}
		},
		"application": func(w *world) {
			w.bootFails = &workerctl.WorkerFailed{Stage: "boot", Exit: 3, Message: "broken", Traceback: "Traceback\nX"}
		},
		"no application there": func(w *world) { w.bootFails = &workerctl.WorkerFailed{Stage: "app", Exit: 4, Message: "broken"} },
		"bind in use":          func(w *world) { w.settings["bind"] = []string{"unix:/nonexistent/x.sock"} },
		"unreadable setting":   func(w *world) { w.settings["bind"] = []string{"host:port"} },
		"no memory":            func(w *world) { w.execFails = true },
	}
	for name, breakIt := range failures {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.serve()
			workers := w.alive()
			breakIt(w)
			w.signal(unix.SIGHUP)
			w.pass(5 * time.Second)
			if got := w.alive(); !reflect.DeepEqual(got, workers) || len(got[0].got)+len(got[1].got) > 0 {
				t.Errorf("the old workers were touched; log:\n%s", w.lines())
			}
			w.wantLog("Reload failed: generation 1 serves on")
			// The old generation must still be able to replace its workers, and a
			// later reload must work.
			w.loadFails, w.bootFails, w.execFails = nil, nil, false
			w.settings["bind"] = []string{"127.0.0.1:0"}
			w.end(workers[0], signaled(unix.SIGKILL))
			w.run()
			if got := generationsOf(w.alive()); !reflect.DeepEqual(got, []int{1, 1}) {
				t.Fatalf("generations %v; log:\n%s", got, w.lines())
			}
			w.signal(unix.SIGHUP)
			if got := generationsOf(w.alive()); !reflect.DeepEqual(got, []int{3, 3}) {
				t.Errorf("generations %v after the repair; log:\n%s", got, w.lines())
			}
		})
	}
}

func TestReloadAbandonedWhenNewWorkersCrashOrHang(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5})
	w.serve()
	workers := w.alive()
	w.bootHangs, w.deaf = true, true
	w.signal(unix.SIGHUP)
	w.pass(10 * time.Second)
	if got := w.alive(); !reflect.DeepEqual(got[:2], workers) {
		t.Errorf("generations %v", generationsOf(got))
	}
	w.wantLog("WORKER TIMEOUT", "not ready after", "Reload failed: generation 1 serves on")
	w.pass(31 * time.Second)
	w.wantAlive(2)
}

func TestZygoteDeathDuringReloadKeepsTheOld(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.zygoteHangs = true
	w.signal(unix.SIGHUP)
	w.kill(w.zygote().pid, unix.SIGKILL)
	w.zygoteHangs = false
	w.run()
	w.pass(time.Second)
	if got := generationsOf(w.alive()); !reflect.DeepEqual(got, []int{1, 1}) {
		t.Errorf("generations %v", got)
	}
	w.wantLog("was sent SIGKILL\nReload failed: generation 1 serves on")
}

func TestHupDuringReloadLoadsOnceMore(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.bootHangs = true
	w.signal(unix.SIGHUP)
	w.signal(unix.SIGHUP)
	w.signal(unix.SIGHUP)
	if len(w.zygotes) != 2 {
		t.Fatalf("%d zygotes", len(w.zygotes))
	}
	w.bootHangs = false
	for _, k := range w.alive()[2:] {
		k.ch.say(workerctl.WorkerReady{})
	}
	w.run()
	if got := generationsOf(w.alive()); !reflect.DeepEqual(got, []int{3, 3}) {
		t.Errorf("generations %v", got)
	}
}

func TestWorkersOfTheOldGenerationAreReplacedDuringAReload(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.bootHangs = true
	w.signal(unix.SIGHUP)
	w.bootHangs = false
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	if got := generationsOf(w.alive()); !reflect.DeepEqual(got, []int{1, 2, 2, 1}) {
		t.Errorf("generations %v", got)
	}
}

func TestManyReloadsLeaveNothingBehind(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	for range 50 {
		w.signal(unix.SIGHUP)
		w.pass(time.Second)
	}
	w.wantAlive(2)
	if len(w.m.zygotes.dismissed) != 0 || len(w.m.table.List) != 2 || len(w.peers) != 0 {
		t.Errorf("%d zygotes, %d children, %d channel ends left", len(w.m.zygotes.dismissed), len(w.m.table.List), len(w.peers))
	}
	for _, z := range w.zygotes[:len(w.zygotes)-1] {
		if !z.dead || !z.ch.closed {
			t.Fatal("an old zygote is left")
		}
	}
}

func TestAbandonedReloadKeepsSocketsAndLogs(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, map[string]any{"bind": []string{"unix:" + dir + "/old"}})
	w.serve()
	w.settings["bind"] = []string{"unix:" + dir + "/new"}
	w.settings["errorlog"] = dir + "/newlog"
	w.bootFails = &workerctl.WorkerFailed{Stage: "boot", Exit: 3, Message: "broken"}
	w.signal(unix.SIGHUP)
	w.wantLog("Reload failed")
	w.bootFails = nil
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	if got := w.alive()[1].serve.Listeners; len(got) != 1 || got[0].Path != dir+"/old" {
		t.Errorf("a worker started afterwards listens at %v", got)
	}
	if _, err := os.Stat(dir + "/new"); err == nil {
		t.Error("the new socket is left behind")
	}
	w.signal(unix.SIGHUP)
	if got := w.alive()[0].serve.Listeners; len(got) != 1 || got[0].Path != dir+"/new" {
		t.Errorf("after the repair: %v", got)
	}
	if _, err := os.Stat(dir + "/old"); err == nil {
		t.Error("the old socket is left behind")
	}
	if b, _ := os.ReadFile(dir + "/newlog"); !strings.Contains(string(b), "Generation 3 serves") {
		t.Errorf("the new log has %q", b)
	}
}

func TestReloadOneByOne(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 3, "reload_one_by_one": true})
	w.serve()
	old := w.alive()
	for _, k := range old {
		k.deaf = true // they have long requests
	}
	w.bootHangs = true
	w.signal(unix.SIGHUP)
	for done := range 3 {
		fresh := w.alive()[len(w.alive())-1]
		if fresh.order.Generation != 2 || len(w.alive()) != 4 {
			t.Fatalf("after %d: %d workers live", done, len(w.alive()))
		}
		for i, k := range old {
			if told := len(k.got) > 0; told != (i < done) {
				t.Errorf("after %d: old worker %d was told %v", done, i, k.got)
			}
		}
		w.ready(fresh)
		if len(w.alive()) != 4 {
			t.Errorf("after %d: another one is started before an old one has gone", done)
		}
		w.end(old[done], exited(0))
		w.run()
	}
	w.wantAlive(3)
	w.wantLog("Generation 2 serves")
}

func TestReloadOneByOneThatFails(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 2, "reload_one_by_one": true})
	w.serve()
	w.bootFails = &workerctl.WorkerFailed{Stage: "app", Exit: 3, Message: "broken"}
	w.signal(unix.SIGHUP)
	w.wantAlive(2)
	w.wantLog("generation 1 serves on")
	for _, k := range w.alive() {
		if k.order.Generation != 1 || len(k.got) != 0 {
			t.Errorf("worker of generation %d was told %v", k.order.Generation, k.got)
		}
	}
	// One that fails later brings the old ones back.
	w.bootFails, w.bootHangs = nil, true
	w.signal(unix.SIGHUP)
	w.ready(w.alive()[2])
	w.end(w.alive()[len(w.alive())-1], exited(1))
	w.run()
	w.bootHangs = false
	w.pass(10 * time.Second)
	w.wantAlive(2)
	for _, k := range w.alive() {
		if k.order.Generation != 1 {
			t.Errorf("worker of generation %d", k.order.Generation)
		}
	}
}

// slowToLeave makes a world in which those who are told to leave take their time. It gives
// its workers, of which the master knows that they accept connections.
func slowToLeave(t *testing.T, settings map[string]any) (*world, []*fakeWorker) {
	t.Helper()
	w := newWorld(t, settings)
	w.deaf = true
	w.serve()
	w.deaf = false
	for _, k := range w.alive() {
		w.m.shared.Board.Slot(k.serve.Worker.Slot).SetState(scoreboard.Idle)
	}
	return w, w.alive()
}

func TestReloadIsToldWhenTheOldAcceptNothingMore(t *testing.T) {
	w, old := slowToLeave(t, nil)
	w.signal(unix.SIGHUP)
	w.wantLog("Generation 2 serves")
	for _, k := range old {
		if w.pass(100 * time.Millisecond); w.status.Reloaded != 0 {
			t.Fatal("told while an old worker may still accept a connection")
		}
		k.ch.say(workerctl.WorkerDraining{Reason: "order"})
		w.run()
	}
	if w.status.Reloaded != 1 {
		t.Error("not told")
	}
}

func TestReloadThatFailsIsToldWhenTheNewAcceptNothingMore(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.bootHangs, w.deaf = true, true
	w.signal(unix.SIGHUP)
	fresh := w.alive()[2:]
	w.m.shared.Board.Slot(fresh[0].serve.Worker.Slot).SetState(scoreboard.Idle)
	w.ready(fresh[0])
	w.end(fresh[1], exited(3))
	w.run()
	if w.pass(100 * time.Millisecond); w.status.Reloaded != 0 {
		t.Fatalf("told while a new worker may still accept a connection; log:\n%s", w.lines())
	}
	fresh[0].ch.say(workerctl.WorkerDraining{Reason: "order"})
	w.run()
	if w.status.Reloaded != 1 || w.status.ReloadError == "" {
		t.Errorf("%+v", w.status)
	}
}

func TestReloadIsToldAtOnceIfTheOldAreInsideTheApplication(t *testing.T) {
	for class, want := range map[string]int{"sync": 1, "gthread": 0} { // another thread may accept
		w, old := slowToLeave(t, map[string]any{"worker_class": class, "threads": map[string]int{"sync": 1, "gthread": 4}[class]})
		for _, k := range old {
			w.m.shared.Board.Slot(k.serve.Worker.Slot).Begin(w.clock.Add(-time.Second).UnixNano(), []byte("GET"), []byte("/"), netip.AddrPort{})
		}
		w.signal(unix.SIGHUP)
		if w.status.Reloaded != want {
			t.Errorf("%s: %d", class, w.status.Reloaded)
		}
	}
}

func TestReloadWaitsForRequestsThatHaveJustBegun(t *testing.T) {
	w, old := slowToLeave(t, nil)
	for _, k := range old {
		w.m.shared.Board.Slot(k.serve.Worker.Slot).Begin(w.clock.UnixNano(), []byte("GET"), []byte("/"), netip.AddrPort{})
	}
	w.signal(unix.SIGHUP)
	if w.status.Reloaded != 0 {
		t.Error("such a worker does not read its orders when it comes back")
	}
}

func TestWorkerThatIsStoppedDoesNotHoldAReloadUp(t *testing.T) {
	w, _ := slowToLeave(t, nil)
	w.signal(unix.SIGHUP)
	w.signal(unix.SIGHUP) // begins when the first one is over
	if w.pass(900 * time.Millisecond); w.status.Reloaded != 0 || len(w.zygotes) != 2 {
		t.Fatalf("%d zygotes, %+v", len(w.zygotes), w.status)
	}
	if w.pass(200 * time.Millisecond); w.status.Reloaded == 0 || len(w.zygotes) != 3 {
		t.Errorf("%d zygotes, %+v", len(w.zygotes), w.status)
	}
}

func TestQueueThatIsLeftIsForThoseWhoServe(t *testing.T) {
	w, old := slowToLeave(t, nil)
	w.signal(unix.SIGHUP)
	fresh := w.alive()[2:]
	old[0].ch.say(workerctl.WorkerDraining{Reason: "order"})
	w.run()
	if len(fresh[0].got) != 0 {
		t.Errorf("there is nothing to look for: %v", fresh[0].got)
	}
	old[1].ch.say(workerctl.WorkerDraining{Reason: "order", Queue: true})
	w.run()
	for _, k := range fresh {
		if !reflect.DeepEqual(k.got, []string{"Look"}) {
			t.Errorf("got %v", k.got)
		}
	}
	if slices.Contains(old[0].got, "Look") {
		t.Error("one on its way out was told to look")
	}
}
