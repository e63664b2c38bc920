package exits

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/logs/errlog"
)

// logged gives an Exits, and what it has logged so far.
func logged(t *testing.T, count func() (int, string, bool)) (*Exits, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	e := New(errlog.New(int(f.Fd()), "debug"), count)
	stamp := regexp.MustCompile(`(?m)^\[[^]]*\] \[\d+\] `)
	return &e, func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return stamp.ReplaceAllString(string(text), "")
	}
}

func unknown() (int, string, bool) { return 0, "", false }

func signaled(sig unix.Signal) unix.WaitStatus { return unix.WaitStatus(sig) }

func TestExitsInGunicornsWords(t *testing.T) {
	for _, c := range []struct {
		worker  workers.Worker
		status  unix.WaitStatus
		request string
		want    string
	}{
		{workers.Worker{PID: 7}, signaled(unix.SIGKILL), "GET /", "[ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory? Lost: GET /\n"},
		{workers.Worker{PID: 7, Force: workers.Killed}, signaled(unix.SIGKILL), "", "[ERROR] Worker (pid:7) was sent SIGKILL!\n"},
		{workers.Worker{PID: 7}, signaled(unix.SIGTERM), "", "[INFO] Worker (pid:7) was sent SIGTERM!\n"},
		{workers.Worker{PID: 7}, signaled(unix.SIGSEGV), "GET /x", "[WARNING] Worker (pid:7) was sent SIGSEGV! Lost: GET /x\n"},
		{workers.Worker{PID: 7, Report: workers.LossReported}, signaled(unix.SIGABRT), "GET /x", "[WARNING] Worker (pid:7) was sent SIGABRT!\n"},
		{workers.Worker{PID: 7}, 3 << 8, "", "[ERROR] Worker (pid:7) exited with code 3.\n"},
		{workers.Worker{PID: 7}, 0, "GET /x", "[ERROR] Worker (pid:7) exited with code 0. Lost: GET /x\n"},
		{workers.Worker{PID: 7}, 0, "", ""},
	} {
		e, log := logged(t, unknown)
		e.Say(&c.worker, c.status, c.request, time.Unix(0, 0))
		if log() != c.want {
			t.Errorf("%q, want %q", log(), c.want)
		}
	}
}

func TestAKillOfTheKernelIsPutDownToOneWorkerSoonAfter(t *testing.T) {
	now, n := time.Unix(100, 0), 3
	e, log := logged(t, func() (int, string, bool) { return n, "/app", true })
	kill := func() string {
		before := len(log())
		e.Say(&workers.Worker{PID: 7}, signaled(unix.SIGKILL), "", now)
		return log()[before:]
	}
	e.Look(now, time.Second)
	n = 4
	if got := kill(); !strings.Contains(got, "oom_kill 3 -> 4") {
		t.Error(got)
	}
	if got := kill(); !strings.Contains(got, "Perhaps") {
		t.Error("one kill explains two deaths:", got)
	}
	n = 5
	now = now.Add(time.Second)
	e.Look(now, time.Second)
	now = now.Add(killsMemory + time.Second)
	if got := kill(); !strings.Contains(got, "Perhaps") {
		t.Error("a kill long ago, of somebody else:", got)
	}
}

func TestTheCountForgetsAfterAMinute(t *testing.T) {
	now := time.Unix(1000, 0)
	e, log := logged(t, unknown)
	e.Count(1, "GET /x", now)
	e.Count(1, "", now.Add(30*time.Second))
	e.Count(1, "", now.Add(61*time.Second))
	if log() != "" {
		t.Errorf("never three in a minute: %s", log())
	}
	e.Count(10, "", now.Add(62*time.Second))
	e.Count(2, "", now.Add(63*time.Second))
	if want := "[ERROR] Workers 1, 10 died 3 times in the last minute, last request GET /x\n"; log() != want {
		t.Errorf("%q, want %q", log(), want)
	}
	e.Look(now.Add(73*time.Second), time.Second)
	if want := "[ERROR] Workers 1, 2, 10 died 4 times in the last minute, last request GET /x\n"; !strings.HasSuffix(log(), want) {
		t.Errorf("%q, want %q at its end", log(), want)
	}
	for nr := range 9 {
		e.Count(nr, "", now.Add(90*time.Second))
	}
	e.Look(now.Add(100*time.Second), time.Second)
	if want := "[ERROR] 10 workers died 12 times in the last minute, last request GET /x\n"; !strings.HasSuffix(log(), want) {
		t.Errorf("%q, want %q at its end", log(), want)
	}
}
