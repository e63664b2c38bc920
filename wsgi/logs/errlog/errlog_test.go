package errlog

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func logFile(t *testing.T, level string) (*Logger, func() string) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return New(int(f.Fd()), level), func() string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestPrintableHasNoControlCharacters(t *testing.T) {
	if got := Printable([]byte("/a b\n\x1b[31m\xe9\"")); got != `/a b\n\x1b[31m\xe9\"` {
		t.Errorf("%s", got)
	}
}

func TestLineLooksLikeGunicorns(t *testing.T) {
	l, read := logFile(t, "info")
	l.now = func() time.Time {
		return time.Date(2026, 11, 21, 15, 43, 0, 0, time.FixedZone("", 2*3600))
	}
	l.pid = 7
	l.Infof("Booting worker with pid: %d", 8)
	if got, want := read(), "[2026-11-21 15:43:00 +0200] [7] [INFO] Booting worker with pid: 8\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTracebackKeepsItsLines(t *testing.T) {
	l, read := logFile(t, "info")
	l.Errorf("Exception in worker process\n%s", "Traceback:\n  x\nValueError\n\n")
	if got := read(); !strings.HasSuffix(got, "[ERROR] Exception in worker process\nTraceback:\n  x\nValueError\n") {
		t.Errorf("got %q", got)
	}
}

func TestLevelFilter(t *testing.T) {
	for _, c := range []struct{ level, want string }{
		{"debug", "DEBUG INFO WARNING ERROR CRITICAL"},
		{"info", "INFO WARNING ERROR CRITICAL"},
		{"Warning", "WARNING ERROR CRITICAL"},
		{"ERROR", "ERROR CRITICAL"},
		{"critical", "CRITICAL"},
		{"nonsense", "INFO WARNING ERROR CRITICAL"},
	} {
		l, read := logFile(t, c.level)
		l.Debugf("x")
		l.Infof("x")
		l.Warningf("x")
		l.Errorf("x")
		l.Criticalf("x")
		found := regexp.MustCompile(`[A-Z]{4,}`).FindAllString(read(), -1)
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.level, got, c.want)
		}
	}
}

func TestConcurrentLinesStayWholeOverSetFD(t *testing.T) {
	l, readOld := logFile(t, "info")
	other, readNew := logFile(t, "info")
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				l.Infof("line %d.%d end", g, i)
				if g == 0 && i == 100 {
					l.SetFD(other.fd)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	whole := regexp.MustCompile(`^\[[^]]+\] \[\d+\] \[INFO\] (line \d+\.\d+) end$`)
	for line := range strings.SplitSeq(strings.TrimSpace(readOld()+readNew()), "\n") {
		m := whole.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("broken line %q", line)
		}
		seen[m[1]] = true
	}
	if len(seen) != 800 {
		t.Errorf("%d different lines, want 800", len(seen))
	}
	if !seen[fmt.Sprintf("line %d.%d", 0, 199)] {
		t.Error("last line missing")
	}
}

func TestUnwritableLogIsSilent(t *testing.T) {
	New(-1, "info").Infof("nobody hears this")
}

func TestRelayedLinesAreNotWritten(t *testing.T) {
	l, read := logFile(t, "info")
	var relayed, copied []string
	able := true
	l.SetRelay(func(level Level, _ time.Time, text string) bool {
		relayed = append(relayed, fmt.Sprint(level, level.Python(), text))
		return able
	})
	l.SetCopies(func(level Level, text []byte) { copied = append(copied, level.String()+" "+string(text)) })
	l.Warningf("one %d\n", 1)
	able = false
	l.Errorf("two")
	l.SetRelay(nil)
	l.Infof("three")
	if got := strings.Join(relayed, ","); got != "WARNING 30one 1,ERROR 40two" {
		t.Error(got)
	}
	if got := strings.Join(copied, ","); got != "ERROR two,INFO three" {
		t.Error(got)
	}
	if got := read(); strings.Contains(got, "one") || !strings.Contains(got, "[ERROR] two\n") || !strings.Contains(got, "[INFO] three\n") {
		t.Error(got)
	}
}

func TestLevelsOfPython(t *testing.T) {
	for number, want := range map[int]Level{0: Debug, 5: Debug, 10: Debug, 15: Info, 20: Info, 30: Warning, 40: Error, 50: Critical, 60: Critical} {
		if got := FromPython(number); got != want {
			t.Errorf("%d: %v, want %v", number, got, want)
		}
	}
}

// TestLastWords runs itself in a process that panics.
func TestLastWords(t *testing.T) {
	if path := os.Getenv("LAST_WORDS"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		LastWords(2) // the same file as standard error: nothing to do
		LastWords(int(f.Fd()))
		go panic("these are my last words")
		select {}
	}
	path := t.TempDir() + "/log"
	run := exec.Command(os.Args[0], "-test.run=^TestLastWords$")
	run.Env = append(os.Environ(), "LAST_WORDS="+path)
	if err := run.Run(); err == nil {
		t.Fatal("the process ended well")
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "panic: these are my last words") {
		t.Errorf("%q, %v", text, err)
	}
}
