package master

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
)

func (w *world) wantFinished(code int) {
	w.t.Helper()
	if !w.m.finished || w.m.exit != code {
		w.t.Errorf("finished %v with %d, want %d; log:\n%s", w.m.finished, w.m.exit, code, w.lines())
	}
	w.wantAlive(0)
	for _, z := range w.zygotes {
		if !z.dead {
			w.t.Error("a zygote is left")
		}
	}
}

func TestTermDrainsAndEnds(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, map[string]any{"pidfile": dir + "/pid", "bind": []string{"unix:" + dir + "/s"}})
	w.hooks = map[string]int{"on_exit": 1}
	w.serve()
	if b, _ := os.ReadFile(dir + "/pid"); strings.TrimSpace(string(b)) == "" {
		t.Error("no pidfile")
	}
	w.signal(unix.SIGTERM)
	w.wantFinished(0)
	if w.zygote().hooks[0] != "on_exit" {
		t.Errorf("hooks %v", w.zygote().hooks)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	w.wantLog("[INFO] Handling signal: term", "[INFO] Shutting down: Master")
}

func TestGracefulTimeoutEndsInKill(t *testing.T) {
	w := newWorld(t, map[string]any{"graceful_timeout": 3})
	w.deaf = true
	w.serve()
	w.signal(unix.SIGTERM)
	w.pass(3900 * time.Millisecond)
	w.wantAlive(2)
	w.pass(200 * time.Millisecond)
	w.wantFinished(0)
	for _, k := range w.workers {
		if want := []string{"SIGTERM", "Drain", "SIGKILL"}; !reflect.DeepEqual(k.got, want) {
			t.Errorf("a worker was told %v, want %v", k.got, want)
		}
	}
	if strings.Contains(w.lines(), "out of memory") {
		t.Error("our own SIGKILL is taken for the kernel's")
	}
}

func TestQuickStop(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGQUIT} {
		w := newWorld(t, nil)
		w.serve()
		w.signal(sig)
		w.wantFinished(0)
		if !slices.Contains(w.workers[0].got, "SIGQUIT") {
			t.Errorf("a worker was told %v", w.workers[0].got)
		}
	}
}

func TestImpatienceNeverHangs(t *testing.T) {
	for name, c := range map[string]struct {
		signals []unix.Signal
		within  time.Duration
	}{
		"TERM then INT":  {[]unix.Signal{unix.SIGTERM, unix.SIGINT}, quickAfterTerm},
		"INT twice":      {[]unix.Signal{unix.SIGINT, unix.SIGINT}, 100 * time.Millisecond},
		"TERM INT INT":   {[]unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGINT}, 100 * time.Millisecond},
		"TERM then TERM": {[]unix.Signal{unix.SIGTERM, unix.SIGTERM}, 31 * time.Second},
	} {
		w := newWorld(t, nil)
		w.deaf = true
		w.serve()
		for _, sig := range c.signals {
			w.signal(sig)
		}
		w.pass(c.within - 100*time.Millisecond)
		if w.m.finished && c.within > 100*time.Millisecond {
			t.Errorf("%s: too early", name)
		}
		w.pass(100 * time.Millisecond)
		if t.Run(name, func(t *testing.T) { w.t = t; w.wantFinished(0) }); t.Failed() {
			return
		}
	}
}

func TestStopWhileTheApplicationLoads(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		w := newWorld(t, nil)
		w.zygoteHangs = true
		w.m.begin()
		w.run()
		w.signal(sig)
		w.pass(zygote.ExitGrace + 100*time.Millisecond)
		w.wantFinished(0)
	}
}

func TestStopDuringReloadEndsBothGenerations(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.bootHangs = true
	w.signal(unix.SIGHUP)
	w.wantAlive(4)
	w.signal(unix.SIGTERM)
	w.pass(32 * time.Second) // those that never finish their boot are killed after the grace
	w.wantFinished(0)
}

func TestStopWithAHangingZygote(t *testing.T) {
	w := newWorld(t, map[string]any{"graceful_timeout": 2})
	w.hooks = map[string]int{"on_exit": 1}
	w.serve()
	w.zygoteHangs = true
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run() // an order to spawn is under way that nobody obeys
	w.signal(unix.SIGTERM)
	w.pass(7 * time.Second)
	w.wantFinished(0)
	w.wantLog("on_exit takes too long")
}

func TestFailedStart(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		prepare  func(*world)
		exit     int
		log      string
	}{
		"preload": {nil, func(w *world) {
			w.loadFails = &zygotectl.Failed{Stage: "boot", Exit: 3, Message: "no", Traceback: "Traceback"}
		}, 3, "[ERROR] no\nTraceback"},
		"bind":     {map[string]any{"bind": []string{"unix:/nonexistent/s"}}, nil, 1, "[ERROR] Can't connect to /nonexistent/s\n[ERROR] Hint: its directory does not exist"},
		"hook":     {nil, func(w *world) { w.hooks["on_starting"] = 1; w.hookFails = "on_starting" }, 1, ""},
		"ready":    {nil, func(w *world) { w.hooks["when_ready"] = 1; w.hookFails = "when_ready" }, 1, ""},
		"exec":     {nil, func(w *world) { w.execFails = true }, 1, "[ERROR] starting the zygote: cannot allocate memory"},
		"pidfile":  {map[string]any{"pidfile": "/nonexistent/p"}, nil, 1, ""},
		"errorlog": {nil, func(w *world) { w.settings["errorlog"] = "/nonexistent/log" }, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.settings)
			if c.prepare != nil {
				c.prepare(w)
			}
			w.m.begin()
			w.run()
			w.pass(time.Second)
			w.wantFinished(c.exit)
			w.wantLog(c.log)
		})
	}
}

func TestZygoteDeathAtStartIsFatal(t *testing.T) {
	w := newWorld(t, nil)
	w.zygoteHangs = true
	w.m.begin()
	w.run()
	w.endZygote(w.zygote(), signaled(unix.SIGSEGV))
	w.run()
	w.pass(time.Second)
	w.wantFinished(1)
	w.wantLog("was sent SIGSEGV while starting")
}

func TestCheckConfigLoadsTheApplicationAndEnds(t *testing.T) {
	for _, fails := range []bool{false, true} {
		w := newWorld(t, map[string]any{"check_config": true})
		code := 0
		if fails {
			w.loadFails = &zygotectl.Failed{Stage: "boot", Exit: 3, Message: "no", Traceback: "Traceback"}
			code = 1
		}
		w.m.begin()
		w.run()
		w.pass(time.Second)
		w.wantFinished(code)
		if got := w.zygote().configured[0].Settings["preload_app"]; got != true || w.binds != 0 || len(w.workers) != 0 {
			t.Errorf("preload_app %v, bound %d times, %d workers", got, w.binds, len(w.workers))
		}
	}
}
