package master

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

func TestStartLooksLikeGunicorns(t *testing.T) {
	w := newWorld(t, nil)
	w.hooks = map[string]int{"on_starting": 1, "when_ready": 1, "nworkers_changed": 3}
	w.serve()
	w.wantAlive(2)
	port := w.m.gens.Current.Sockets[0].Bound.Port
	if port == 0 {
		t.Fatal("port not read back")
	}
	want := fmt.Sprintf("[INFO] Starting gosrv V\n[INFO] Listening at: http://127.0.0.1:%d (%d)\n[INFO] Using worker: sync\n"+
		"[INFO] Serving app:app by 2 workers with Python X\n[INFO] Settings from: defaults", port, w.m.pid)
	if w.lines() != want {
		t.Errorf("log:\n%s\nwant:\n%s", w.lines(), want)
	}
	if got := w.zygote().hooks; !reflect.DeepEqual(got, []string{"nworkers_changed", "on_starting", "when_ready"}) {
		t.Errorf("hooks %v", got)
	}
	for i, k := range w.alive() {
		id := workerctl.Identity{Nr: i, Age: i + 1, Generation: 1, Slot: i}
		listeners := []workerctl.Listener{{Kind: "tcp", Host: "127.0.0.1", Port: port}}
		if k.serve.Worker != id || !reflect.DeepEqual(k.serve.Listeners, listeners) || !reflect.DeepEqual(k.serve.FDs, []string{"scoreboard", "errorlog", "listener", "exchange-in", "exchange-out", "claims", "metrics"}) {
			t.Errorf("worker %d is told %+v", i, k.serve)
		}
	}
	if len(w.peers) != 0 {
		t.Errorf("%d of the workers' channel ends stay open in the master", len(w.peers))
	}
}

func TestDeadWorkerIsReplacedAtOnceInItsPlace(t *testing.T) {
	for _, c := range []struct {
		status unix.WaitStatus
		line   string
	}{
		{signaled(unix.SIGKILL), "[ERROR] Worker (pid:%d) was sent SIGKILL! Perhaps out of memory?"},
		{signaled(unix.SIGSEGV), "[WARNING] Worker (pid:%d) was sent SIGSEGV!"},
		{signaled(unix.SIGTERM), "[INFO] Worker (pid:%d) was sent SIGTERM!"},
		{exited(3), "[ERROR] Worker (pid:%d) exited with code 3."}, // sys.exit(3) in a request is no order to stop
		{exited(4), "[ERROR] Worker (pid:%d) exited with code 4."},
		{exited(0), ""},
	} {
		w := newWorld(t, nil)
		w.serve()
		victim := w.alive()[0]
		w.end(victim, c.status)
		w.run()
		w.wantAlive(2)
		if k := w.alive()[1]; k.serve.Worker != (workerctl.Identity{Nr: 0, Age: 3, Generation: 1, Slot: 0}) {
			t.Errorf("successor is %+v", k.serve.Worker)
		}
		if c.line != "" {
			w.wantLog(fmt.Sprintf(c.line, victim.pid))
		}
	}
}

func TestFailingBootsBackOffAndLeaveHealthyWorkersAlone(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 3})
	w.serve()
	healthy := w.alive()[1:]
	look := []string{"Look"} // once: the dead one may have been woken for a connection
	w.bootFails = &workerctl.WorkerFailed{Exit: workerctl.ExitBoot, Message: "Exception in worker process", Traceback: "Traceback"}
	w.end(w.alive()[0], signaled(unix.SIGSEGV))
	w.run()
	var starts []time.Duration
	last := w.clock
	for n := len(w.workers); w.clock.Sub(last) < time.Minute && len(starts) < 9; {
		w.pass(100 * time.Millisecond)
		if len(w.workers) > n {
			n = len(w.workers)
			starts = append(starts, w.clock.Sub(last))
			last = w.clock
		}
	}
	ms := time.Millisecond
	want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms, 5000 * ms}
	if !reflect.DeepEqual(starts, want) {
		t.Errorf("pauses %v, want %v", starts, want)
	}
	if got := w.alive(); !reflect.DeepEqual(got, healthy) || !reflect.DeepEqual(got[0].got, look) || !reflect.DeepEqual(got[1].got, look) {
		t.Error("healthy workers were touched")
	}
	w.wantLog("Workers of generation 1 do not become ready: the next one is started in 5s")

	w.bootFails = nil
	w.pass(6 * time.Second)
	w.wantAlive(3)
	w.end(w.alive()[2], signaled(unix.SIGKILL))
	w.run()
	w.wantAlive(3) // the loop is over: replaced at once again
}

func TestFirstBootFailureStopsTheServer(t *testing.T) {
	for _, c := range []struct {
		failure workerctl.WorkerFailed
		want    string
	}{
		{workerctl.WorkerFailed{Stage: "boot", Exit: 3, Message: "Exception in worker process", Traceback: "Traceback (most recent call last):\nValueError: x\n"},
			"[ERROR] Exception in worker process\nTraceback (most recent call last):\nValueError: x\n[ERROR] Worker (pid:%d) exited with code 3.\n[ERROR] Worker (pid:%d) exited with code 3.\n[ERROR] Shutting down: Master\n[ERROR] Reason: Worker failed to boot."},
		{workerctl.WorkerFailed{Stage: "app", Exit: 4, Message: "Failed to find attribute 'x' in 'app'."},
			"[ERROR] Failed to find attribute 'x' in 'app'.\n[ERROR] Worker (pid:%d) exited with code 4.\n[ERROR] Worker (pid:%d) exited with code 4.\n[ERROR] Shutting down: Master\n[ERROR] Reason: App failed to load."},
	} {
		w := newWorld(t, nil)
		w.bootFails = &c.failure
		w.m.begin()
		w.run()
		w.pass(time.Second)
		if !w.m.finished || w.m.exit != c.failure.Exit {
			t.Fatalf("finished %v, exit code %d, want %d", w.m.finished, w.m.exit, c.failure.Exit)
		}
		_, after, _ := strings.Cut(w.lines(), "Settings from: defaults\n")
		// The second worker may fail before the first one's death is known.
		after = strings.ReplaceAll(after, strings.SplitN(c.want, "[ERROR] Worker", 2)[0], "")
		want := "[ERROR] Worker" + strings.SplitN(c.want, "[ERROR] Worker", 2)[1]
		if want = fmt.Sprintf(want, w.workers[0].pid, w.workers[1].pid); after != want {
			t.Errorf("log:\n%s\nwant:\n%s", after, want)
		}
	}
}

func TestWorkerThatDiesBeforeItsPidIsKnownIsNotLost(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 1})
	w.serve()
	w.zygoteHangs = true // the order stays in its socket
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	c := w.m.table.List[0]
	ch := c.Channel.(*fakeChannel)
	w.dead = append(w.dead, death{4242, signaled(unix.SIGSEGV)})
	w.m.reapAll() // reaped first
	ch.say(workerctl.WorkerSpawned{PID: 4242})
	w.zygoteHangs = false
	w.zygote().ch.sent, w.zygote().ch.fds = nil, nil
	w.run()
	w.pass(time.Second)
	w.wantLog("Worker (pid:4242) was sent SIGSEGV!")
	w.wantAlive(1)
}

func TestOrphansAreReapedSilently(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	before := w.text()
	for code := range 5 {
		w.dead = append(w.dead, death{9000 + code, exited(code)})
	}
	w.run()
	if w.text() != before || w.m.finished || len(w.m.workers.earlyExits) != 0 {
		t.Errorf("orphans left traces: %v\n%s", w.m.workers.earlyExits, w.text()[len(before):])
	}
}

func TestKilledZygoteIsReplacedAndItsWorkersServeOn(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	workers := w.alive()
	w.kill(w.zygote().pid, unix.SIGKILL)
	w.run()
	if len(w.zygotes) != 2 || !reflect.DeepEqual(w.alive(), workers) {
		t.Fatalf("%d zygotes; log:\n%s", len(w.zygotes), w.lines())
	}
	if got := w.zygote().configured; len(got) != 1 || got[0].Generation != 1 {
		t.Errorf("the new zygote is told %+v", got)
	}
	w.end(workers[0], signaled(unix.SIGKILL))
	w.run()
	w.wantAlive(2)
	if k := w.alive()[1]; k.order.Generation != 1 {
		t.Errorf("generation %d", k.order.Generation)
	}
}

func TestZygoteThatKeepsDyingBacksOff(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.loadFails = &zygotectl.Failed{Stage: "config", Exit: 1, Message: "broken"}
	w.kill(w.zygote().pid, unix.SIGKILL)
	w.run()
	if n := len(w.zygotes); n != 2 {
		t.Fatalf("%d zygotes at once, want 2", n)
	}
	w.pass(time.Minute)
	if n := len(w.zygotes); n < 8 || n > 20 {
		t.Errorf("%d zygotes in a minute", n)
	}
	w.wantAlive(2)
	w.loadFails = nil
	w.pass(workers.LongPause)
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	w.wantAlive(2)
}

func TestSpawnOrderLostWithItsZygoteIsGivenAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.zygoteHangs = true
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	if !w.m.table.Spawning() {
		t.Fatal("no order is under way")
	}
	for _, c := range w.m.table.List {
		if c.State == workers.Spawning {
			c.Channel.(*fakeChannel).eof = true // as the kernel does: the end in the queue is gone
		}
	}
	w.kill(w.zygote().pid, unix.SIGKILL)
	w.zygoteHangs = false
	w.run()
	w.pass(time.Second)
	w.wantAlive(2)
}

func TestForkFailureIsRetried(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 1})
	w.serve()
	w.zygoteHangs = true
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	z := w.zygote()
	order := z.ch.sent[len(z.ch.sent)-1].(zygotectl.SpawnWorker)
	z.ch.sent, z.ch.fds = nil, nil
	z.ch.say(zygotectl.SpawnFailed{Nr: order.Nr, Age: order.Age, Message: "Resource temporarily unavailable"})
	w.zygoteHangs = false
	w.run()
	w.wantAlive(0)
	w.pass(time.Second)
	w.wantAlive(1)
	w.wantLog("[ERROR] Cannot fork a worker: Resource temporarily unavailable")
}

func TestWorkerThatWasAloneGetsTheExchange(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 1})
	w.serve()
	first := w.alive()[0]
	if strings.Contains(fmt.Sprint(first.serve.FDs), "exchange") {
		t.Error("one worker alone has somebody to trade with")
	}
	w.signal(unix.SIGTTIN)
	w.signal(unix.SIGTTIN)
	if !reflect.DeepEqual(first.got, []string{"Exchange"}) {
		t.Errorf("told %v", first.got)
	}
	for _, k := range w.alive()[1:] {
		if !strings.Contains(fmt.Sprint(k.serve.FDs), "exchange-in") || len(k.got) != 0 {
			t.Errorf("a later worker has %v and was told %v", k.serve.FDs, k.got)
		}
	}
}

func TestResizing(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	oldest := w.alive()[0]
	w.signal(unix.SIGTTIN)
	w.wantAlive(3)
	w.signal(unix.SIGTTOU)
	w.wantAlive(2)
	if !oldest.dead || !reflect.DeepEqual(oldest.got, []string{"SIGTERM"}) && !reflect.DeepEqual(oldest.got, []string{"Drain", "SIGTERM"}) {
		t.Errorf("the oldest was told %v", oldest.got)
	}
	for range 5 {
		w.signal(unix.SIGTTOU)
	}
	w.wantAlive(1)
	w.wantLog("Handling signal: ttin", "Handling signal: ttou")
}

func TestLogsAreReopenedEverywhere(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.signal(unix.SIGUSR1)
	for _, k := range w.alive() {
		if !reflect.DeepEqual(k.got, []string{"ReopenLogs"}) {
			t.Errorf("worker was told %v", k.got)
		}
	}
	w.wantLog("Handling signal: usr1")
}

func TestZygoteThatDoesNotForkIsReplaced(t *testing.T) {
	w := newWorld(t, map[string]any{"timeout": 5})
	w.serve()
	w.zygoteHangs = true
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.pass(4 * time.Second)
	if len(w.zygotes) != 1 {
		t.Fatal("too early")
	}
	for _, c := range w.m.table.List {
		if c.State == workers.Spawning {
			defer func(ch *fakeChannel) { ch.eof = true }(c.Channel.(*fakeChannel))
		}
	}
	w.pass(3 * time.Second)
	w.wantLog("ZYGOTE TIMEOUT")
	if len(w.zygotes) < 2 || !w.zygotes[0].dead {
		t.Errorf("%d zygotes", len(w.zygotes))
	}
	w.wantAlive(1)
}
