package master

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

func TestKillsForWantOfMemoryAreNamed(t *testing.T) {
	w := newWorld(t, nil)
	w.oomKills = 3 // long before
	w.serve()
	kill := func() string {
		before := len(w.lines())
		w.end(w.alive()[0], signaled(unix.SIGKILL))
		w.run()
		w.pass(time.Second)
		return w.lines()[before:]
	}
	if got := kill(); !strings.Contains(got, "Perhaps out of memory?") {
		t.Errorf("an operator's kill: %s", got)
	}
	w.oomKills = 4
	if got := kill(); !strings.Contains(got, "was sent SIGKILL! Out of memory: killed by the kernel (cgroup /app: oom_kill 3 -> 4).") {
		t.Errorf("the kernel's kill: %s", got)
	}
	w.oomKills = 5 // somebody else's
	w.pass(10 * time.Second)
	if got := kill(); !strings.Contains(got, "Perhaps out of memory?") {
		t.Errorf("an operator's kill after one of the kernel elsewhere: %s", got)
	}
	w.oomKills = 7
	for range 2 {
		w.end(w.alive()[0], signaled(unix.SIGKILL))
	}
	w.run()
	w.wantLog("oom_kill 5 -> 6).", "oom_kill 6 -> 7).")
	w.oomKills = -1
	w.pass(10 * time.Second)
	if got := kill(); !strings.Contains(got, "Perhaps out of memory?") {
		t.Errorf("without a counter: %s", got)
	}
}

func TestRecycledWorkersSuccessorIsThereBeforeItLeaves(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 1})
	w.serve()
	old := w.alive()[0]
	w.bootHangs, old.deaf = true, true
	old.ch.say(workerctl.WorkerWantsSuccessor{})
	w.run()
	w.pass(5 * time.Second)
	w.wantAlive(2)
	if len(old.got) != 0 {
		t.Errorf("told to go before its successor is ready: %v", old.got)
	}
	successor := w.alive()[1]
	if successor.order.Nr != old.order.Nr {
		t.Errorf("the successor's place is %d", successor.order.Nr)
	}
	w.ready(successor)
	if len(old.got) == 0 {
		t.Error("it is not told to go")
	}
	w.end(old, exited(0))
	w.run()
	w.wantAlive(1)
}

// Where the successor does not come up the old worker stays.
func TestSpentWorkerServesOnWhileItsSuccessorsCrash(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 1})
	w.serve()
	old := w.alive()[0]
	w.bootFails = &workerctl.WorkerFailed{Stage: "app", Exit: 3, Message: "broken"}
	old.ch.say(workerctl.WorkerWantsSuccessor{})
	w.run()
	w.pass(20 * time.Second)
	if len(old.got) != 0 || w.m.phase != serving {
		t.Fatalf("told %v; log:\n%s", old.got, w.lines())
	}
	w.bootFails = nil
	w.pass(10 * time.Second)
	w.wantAlive(1)
	if !old.dead {
		t.Error("the old one still serves")
	}
}

// A worker that leaves of its own accord cannot wait: it takes nothing any more.
func TestWorkerThatDrainsIsReplacedAtOnce(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 1})
	w.serve()
	old := w.alive()[0]
	old.ch.say(workerctl.WorkerDraining{Reason: "signal"})
	w.run()
	w.wantAlive(2)
	if len(old.got) != 0 {
		t.Errorf("the old one was hurried: %v", old.got)
	}
}
