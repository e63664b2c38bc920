package master

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
)

// worker.notify() in a long boot.
func TestBootThatNotifiesHasItsTimeAgain(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5, "workers": 1})
	w.bootHangs = true
	w.m.begin()
	w.run()
	k := w.alive()[0]
	for range 4 {
		w.pass(4 * time.Second)
		k.ch.say(workerctl.WorkerNotified{})
		w.run()
	}
	if k.dead || len(w.asked) != 0 {
		t.Errorf("dead %v, stacks asked of %v", k.dead, w.asked)
	}
	w.pass(8 * time.Second)
	if !k.dead {
		t.Error("it lives on, though it says nothing any more")
	}
}

// A worker whose own watchdog does nothing, because the process stands still.
func TestSilentWorkerOverItsTimeIsAbortedThenKilled(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5, "workers": 2})
	w.deaf = true
	w.serve()
	stuck, fine := w.alive()[0], w.alive()[1]
	slot := w.m.shared.Board.Slot(stuck.serve.Worker.Slot)
	slot.Init(stuck.pid, 1)
	slot.SetState(scoreboard.Busy)
	slot.Begin(w.clock.UnixNano(), []byte("GET"), []byte("/slow\n[forged]"), netip.AddrPort{})
	w.deaf = false
	w.pass(6900 * time.Millisecond)
	if len(stuck.got) != 0 {
		t.Fatalf("too early: %v", stuck.got)
	}
	w.pass(2200 * time.Millisecond)
	if want := []string{"SIGABRT", "SIGKILL"}; !reflect.DeepEqual(stuck.got, want) {
		t.Errorf("got %v, want %v", stuck.got, want)
	}
	if fine.dead || !reflect.DeepEqual(fine.got, []string{"Look"}) {
		t.Errorf("the other worker was told %v", fine.got)
	}
	w.wantAlive(2)
	w.wantLog(`[CRITICAL] WORKER TIMEOUT (pid:`, `): GET /slow\n[forged], running for`)
}

// Container frozen and thawed: to the clock everything took too long, though no
// process ran. The worker gets time to go on, but only once.
func TestWorkerIsNotKilledForTheTimeInWhichNobodyRan(t *testing.T) {
	for name, finishes := range map[string]bool{"finishes": true, "stuck": false} {
		w := newWorld(t, map[string]any{"timeout": 5, "workers": 1})
		w.serve()
		k := w.alive()[0]
		slot := w.m.shared.Board.Slot(k.serve.Worker.Slot)
		slot.Begin(w.clock.UnixNano(), []byte("GET"), []byte("/"), netip.AddrPort{})
		w.clock = w.clock.Add(time.Minute) // nothing runs
		w.run()
		w.pass(900 * time.Millisecond)
		if len(k.got) != 0 {
			t.Fatalf("%s: %v at once", name, k.got)
		}
		if finishes {
			slot.End()
		}
		w.pass(1200 * time.Millisecond)
		if k.dead == finishes {
			t.Errorf("%s: %v; log:\n%s", name, k.got, w.lines())
		}
	}
}

func TestLoopThatIsAlwaysLateStillFindsAStuckWorker(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5, "workers": 1})
	w.serve()
	k := w.alive()[0]
	w.m.shared.Board.Slot(k.serve.Worker.Slot).Begin(w.clock.UnixNano(), []byte("GET"), []byte("/"), netip.AddrPort{})
	for range 10 {
		w.clock = w.clock.Add(2 * time.Second)
		w.run()
	}
	if !k.dead {
		t.Error("it lives on")
	}
}

func TestTimeoutDoesNotCountWhereGunicornsDoesNot(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"off":     {"timeout": 0, "workers": 1},
		"threads": {"timeout": 5, "workers": 1, "worker_class": "gthread"},
	} {
		w := newWorld(t, settings)
		w.serve()
		k := w.alive()[0]
		w.m.shared.Board.Slot(k.serve.Worker.Slot).Begin(w.clock.UnixNano(), []byte("GET"), []byte("/"), netip.AddrPort{})
		w.pass(20 * time.Second)
		if len(k.got) != 0 {
			t.Errorf("%s: %v", name, k.got)
		}
	}
}

func TestWorkerThatSaysItIsStuckIsAbortedAtOnceAndReplaced(t *testing.T) {
	for _, class := range []string{"sync", "gthread"} {
		w := newWorld(t, map[string]any{"timeout": 5, "workers": 1, "worker_class": class})
		w.deaf = true
		w.serve()
		w.deaf = false
		stuck := w.alive()[0]
		stuck.ch.say(workerctl.WorkerTimedOut{})
		w.run()
		if want := []string{"SIGABRT"}; !reflect.DeepEqual(stuck.got, want) {
			t.Errorf("%s: got %v, want %v", class, stuck.got, want)
		}
		w.wantAlive(2) // its successor does not wait for its end
		w.pass(1100 * time.Millisecond)
		if want := []string{"SIGABRT", "SIGKILL"}; !reflect.DeepEqual(stuck.got, want) {
			t.Errorf("%s: got %v, want %v", class, stuck.got, want)
		}
		w.wantAlive(1)
	}
}

func TestStuckWorkerIsEndedDuringAStop(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5, "graceful_timeout": 30, "workers": 1})
	w.deaf = true
	w.serve()
	stuck := w.alive()[0]
	w.signal(unix.SIGTERM)
	stuck.ch.say(workerctl.WorkerTimedOut{})
	w.run()
	w.pass(3 * time.Second)
	if !stuck.dead || !w.m.finished {
		t.Errorf("the stop waits for a worker that is stuck: %v", stuck.got)
	}
}

func TestBootOverItsTimeIsAskedForItsStacksFirst(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5, "workers": 1})
	w.bootHangs = true
	w.m.begin()
	w.run()
	k := w.alive()[0]
	w.pass(6100 * time.Millisecond)
	if !reflect.DeepEqual(w.asked, []int{k.pid}) || len(k.got) != 0 {
		t.Fatalf("asked %v, got %v", w.asked, k.got)
	}
	w.pass(1100 * time.Millisecond)
	if !k.dead {
		t.Error("it lives on")
	}
	w.wantLog("WORKER TIMEOUT (pid:", "): not ready after 6s; its Python stacks follow")
}

func TestImportThatTakesLongIsShownAndTermIsObeyed(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5, "preload_app": true})
	w.m.begin()
	w.run0() // the config file is read, and then
	w.zygoteHangs = true
	w.run()
	w.pass(4900 * time.Millisecond)
	if len(w.asked) != 0 {
		t.Fatal("too early")
	}
	w.pass(20 * time.Second)
	if !reflect.DeepEqual(w.asked, []int{w.zygote().pid}) {
		t.Errorf("asked %v", w.asked)
	}
	w.wantLog("ZYGOTE TIMEOUT (pid:", "): the import of app:app takes more than 5s; its Python stacks follow")
	if len(w.zygotes) != 1 || w.zygotes[0].dead {
		t.Error("an import may take its time")
	}
	w.signal(unix.SIGTERM)
	w.pass(1500 * time.Millisecond)
	if !w.m.finished || w.m.exit != 0 {
		t.Errorf("TERM is not obeyed; log:\n%s", w.lines())
	}
}

func TestHupBeginsAStuckStartAgain(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5, "preload_app": true, "workers": 1})
	w.m.begin()
	w.run0()
	w.zygoteHangs = true
	w.run()
	w.pass(6 * time.Second)
	w.zygoteHangs = false
	stuck := w.zygote()
	stuck.hangs = true
	w.signal(unix.SIGHUP)
	w.pass(2 * time.Second)
	if !stuck.dead {
		t.Error("the stuck zygote lives on")
	}
	w.wantAlive(1)
	w.wantLog("is given up: the import of app:app takes too long, and there is another HUP")
}

func TestHupRunsAStuckHookAgain(t *testing.T) {
	for _, hook := range []string{"on_starting", "when_ready"} {
		w := newWorld(t, map[string]any{"timeout": 5, "workers": 1})
		w.hooks[hook] = 1
		w.hookHangs = hook
		w.m.begin()
		w.run()
		stuck := w.zygote()
		w.signal(unix.SIGHUP) // too early: it may come to its end
		w.pass(6 * time.Second)
		if len(w.zygotes) != 1 || len(w.asked) != 1 {
			t.Fatalf("%s: %d zygotes, asked %v", hook, len(w.zygotes), w.asked)
		}
		w.hookHangs = ""
		w.signal(unix.SIGHUP)
		w.pass(2 * time.Second)
		if !stuck.dead || w.m.phase != serving {
			t.Errorf("%s: phase %v; log:\n%s", hook, w.m.phase, w.lines())
		}
		if got := w.zygotes[1].hooks; len(got) == 0 || got[0] != hook {
			t.Errorf("%s: ran %v", hook, got)
		}
		w.wantAlive(1)
	}
}

func TestHupGivesAStuckReloadUp(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5, "preload_app": true, "workers": 1})
	w.serve()
	w.zygoteHangs = true
	w.signal(unix.SIGHUP)
	w.pass(31 * time.Second) // its timeout setting is not known yet
	stuck := w.zygote()
	w.wantLog("): the config file takes more than 30s")
	w.zygoteHangs, stuck.hangs = false, true
	w.signal(unix.SIGHUP)
	w.pass(2 * time.Second)
	if got := generationsOf(w.alive()); !reflect.DeepEqual(got, []int{3}) {
		t.Errorf("generations %v; log:\n%s", got, w.lines())
	}
	w.wantLog("Reload failed: generation 1 serves on", "Generation 3 serves")
}

// askStacks is called behind the line that announces the stacks: they would end
// up in its middle.
func (w *world) askStacks(pid int) {
	w.asked = append(w.asked, pid)
	if n := strings.Count(w.lines(), "; its Python stacks follow"); n != len(w.asked) {
		w.t.Errorf("process %d is asked for its stacks before the log says so", pid)
	}
}
