package master

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/wsgi/ipc/workerctl"
)

func (w *world) wantStatus(want func(status.Status) bool) {
	w.t.Helper()
	if !want(w.status) {
		w.t.Errorf("status %+v", w.status)
	}
}

func TestUpgradeStartsAnotherMasterWithTheSockets(t *testing.T) {
	w := newWorld(t, nil)
	w.hooks = map[string]int{"pre_exec": 1}
	w.serve()
	w.signal(unix.SIGUSR2)
	if len(w.successors) != 1 || !reflect.DeepEqual(w.successors[0].sockets, []int{w.m.gens.Current.Sockets[0].FD}) {
		t.Fatalf("started %v", w.successors)
	}
	if hooks := w.zygote().hooks; !reflect.DeepEqual(hooks, []string{"pre_exec"}) {
		t.Errorf("hooks %v", hooks)
	}
	w.wantStatus(func(s status.Status) bool { return s.Upgrade == status.UpgradeStarted })
	w.signal(unix.SIGUSR2)
	w.wantLog("USR2 signal ignored. Child exists.")
	w.successors[0].ready()
	w.run()
	w.wantAlive(2)
	w.wantStatus(func(s status.Status) bool {
		return s.Upgrade == status.UpgradeReady && s.UpgradePID == w.successors[0].pid
	})
	if last := w.told[len(w.told)-1]; last != systemd.MainPID(w.successors[0].pid) {
		t.Errorf("systemd was told %q", last)
	}
}

func TestFailedUpgradeLeavesTheOldOneServing(t *testing.T) {
	begin := map[string]func(*world){
		"binary does not start": func(w *world) {
			w.replaceFails = unix.ENOENT
			w.signal(unix.SIGUSR2)
		},
		"hook raises": func(w *world) {
			w.hookFails = "pre_exec"
			w.signal(unix.SIGUSR2)
		},
		"application does not load": func(w *world) {
			w.signal(unix.SIGUSR2)
			w.dead = append(w.dead, death{w.successors[0].pid, exited(3)})
		},
		"dies after it was ready": func(w *world) {
			w.signal(unix.SIGUSR2)
			w.successors[0].ready()
			w.dead = append(w.dead, death{w.successors[0].pid, signaled(unix.SIGKILL)})
		},
	}
	for name, fail := range begin {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.hooks = map[string]int{"pre_exec": 1}
			w.serve()
			old := w.alive()
			fail(w)
			w.run()
			w.pass(3 * time.Second)
			if got := w.alive(); !reflect.DeepEqual(got, old) {
				t.Errorf("workers %v, want %v", got, old)
			}
			w.wantLog("[ERROR] Upgrade failed: ", "serves on")
			w.wantStatus(func(s status.Status) bool { return s.Upgrade == status.UpgradeFailed && s.UpgradeError != "" })
			w.hookFails, w.replaceFails = "", nil
			before := len(w.successors)
			w.signal(unix.SIGUSR2)
			if len(w.successors) != before+1 {
				t.Error("a second attempt is not made")
			}
		})
	}
}

func TestMainPIDIsTakenBack(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.signal(unix.SIGUSR2)
	w.successors[0].ready()
	w.dead = append(w.dead, death{w.successors[0].pid, exited(1)})
	w.run()
	if last := w.told[len(w.told)-1]; last != systemd.MainPID(w.m.pid) {
		t.Errorf("systemd was told %q", w.told)
	}
}

// A stop beside another master must leave the shared sockets as they are: no
// filter, no removed path, and what is queued is the other one's to serve.
// The old master answers the word with MAINPID; a READY after that would make
// the last that systemd heard depend on which process ran first.
func TestNewMasterTellsSystemdBeforeItsParent(t *testing.T) {
	r, word, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd, err := unix.Dup(int(word.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = word.Close()
	said := func() bool {
		p := []unix.PollFd{{Fd: int32(r.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return err == nil && n == 1
	}
	w := newWorld(t, nil)
	w.m.upgrade.parent, w.parent, w.m.opt.Origin.Ready = 7, 7, fd
	w.m.sys.Tell = func(a ...string) error {
		if said() {
			t.Errorf("systemd is told %q after the parent was", a)
		}
		w.told = append(w.told, strings.Join(a, "\n"))
		return nil
	}
	w.serve()
	if len(w.told) == 0 || !said() {
		t.Errorf("systemd was told %q, the parent: %t", w.told, said())
	}
}

func TestStopBesideAnotherMasterLeavesTheSockets(t *testing.T) {
	for _, side := range []string{"old", "new"} {
		t.Run(side, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			w := newWorld(t, map[string]any{"bind": []string{"unix:" + path}})
			if side == "new" {
				w.m.upgrade.parent, w.parent = 7, 7
			}
			w.serve()
			if side == "old" {
				w.signal(unix.SIGUSR2)
				w.successors[0].ready()
			}
			w.signal(unix.SIGTERM)
			if !w.m.finished || w.m.exit != 0 {
				t.Errorf("finished %v, exit %d", w.m.finished, w.m.exit)
			}
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
			if strings.Contains(strings.Join(w.told, "\n"), "STOPPING") {
				t.Errorf("systemd was told %q although the service goes on", w.told)
			}
		})
	}
}

func TestNewMasterIsPromotedWhenTheOldOneHasGone(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "pid")
	w := newWorld(t, map[string]any{"pidfile": pidfile})
	w.m.upgrade.parent, w.parent = 7, 7
	var titles []string
	w.m.opt.Title = func(s string) { titles = append(titles, s) }
	w.serve()
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	if !exists(pidfile+".2") || exists(pidfile) {
		t.Error("the new master's pidfile must end in .2")
	}
	w.signal(unix.SIGUSR2)
	w.wantLog("USR2 signal ignored. Parent exists.")
	w.signal(unix.SIGHUP)
	w.wantLog("Hang up: Master.2")
	w.parent = 1
	w.run()
	if exists(pidfile+".2") || !exists(pidfile) {
		t.Error("the promoted master's pidfile must have the plain name")
	}
	w.wantLog("Master has been promoted.")
	if titles[0] != "gosrv: master [app.2]" || titles[len(titles)-1] != "gosrv: master [app]" {
		t.Errorf("titles %q", titles)
	}
	w.signal(unix.SIGUSR2)
	if len(w.successors) != 1 {
		t.Error("a promoted master must be upgradable")
	}
}

func TestWinchRestsTheWorkersOfADaemonAndHupWakesThem(t *testing.T) {
	w := newWorld(t, nil)
	w.serve()
	w.signal(unix.SIGWINCH)
	w.wantAlive(2)

	w = newWorld(t, map[string]any{"daemon": true})
	w.m.opt.Detached = true
	w.serve()
	w.signal(unix.SIGWINCH)
	w.pass(5 * time.Second)
	w.wantAlive(0)
	w.wantLog("graceful stop of workers")
	w.signal(unix.SIGHUP)
	w.wantAlive(2)
}

func TestDaemonDetachesOnceAndTheFirstProcessEnds(t *testing.T) {
	w := newWorld(t, map[string]any{"daemon": true, "enable_stdio_inheritance": true})
	w.m.begin()
	w.run()
	if !reflect.DeepEqual(w.detached, []bool{true}) || !w.m.finished || w.m.exit != 0 {
		t.Errorf("detached %v, finished %v, exit %d", w.detached, w.m.finished, w.m.exit)
	}
	if w.binds != 0 {
		t.Error("the process that leaves must not bind")
	}
}

func TestSystemdHearsWhatHappens(t *testing.T) {
	w := newWorld(t, nil)
	w.bootHangs = true
	w.m.begin()
	w.run()
	if len(w.told) != 0 {
		t.Fatalf("told %q before a worker serves", w.told)
	}
	w.alive()[0].ch.say(workerctl.WorkerReady{})
	w.run()
	if len(w.told) != 1 || !strings.HasPrefix(w.told[0], "READY=1\nSTATUS=") {
		t.Fatalf("told %q after the first worker is ready", w.told)
	}
	w.alive()[1].ch.say(workerctl.WorkerReady{})
	w.bootHangs = false
	w.run()
	for i, fails := range []*workerctl.WorkerFailed{nil, {Stage: "boot", Exit: 3, Message: "broken"}} {
		w.told, w.bootFails = nil, fails
		w.signal(unix.SIGHUP)
		if len(w.told) != 2 || !strings.HasPrefix(w.told[0], "RELOADING=1\nMONOTONIC_USEC=") || !strings.HasPrefix(w.told[1], "READY=1\n") {
			t.Errorf("reload %d: told %q", i, w.told)
		}
		w.wantStatus(func(s status.Status) bool {
			return s.Reloads == i+1 && s.Reloaded == i+1 && (s.ReloadError != "") == (fails != nil)
		})
	}
	w.told = nil
	w.signal(unix.SIGTERM)
	if len(w.told) == 0 || !strings.HasPrefix(w.told[0], "STOPPING=1") {
		t.Errorf("stop: told %q", w.told)
	}
}

func TestWatchdogGetsSignsOfLife(t *testing.T) {
	w := newWorld(t, nil)
	w.m.opt.Manager.Watchdog = time.Second
	w.serve()
	w.told = nil
	w.pass(3 * time.Second)
	if n := strings.Count(strings.Join(w.told, "\n"), "WATCHDOG=1"); n != 6 {
		t.Errorf("%d signs of life in 3 s of a 1 s watchdog", n)
	}
}
