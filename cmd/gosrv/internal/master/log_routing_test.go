package master

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLinesGoThroughAZygoteThatLogs(t *testing.T) {
	w := newWorld(t, nil)
	w.relays = true
	w.serve()
	first := w.zygote()
	if got := strings.Join(first.lines, "\n"); !strings.HasPrefix(got, "20 Starting gosrv V\n20 Listening at: ") {
		t.Error(got)
	}
	if text := w.text(); text != "" {
		t.Errorf("the file has %q", text)
	}
	w.endZygote(first, signaled(unix.SIGKILL))
	w.run()
	w.wantLog("was sent SIGKILL") // plain: nobody is there to log it
	second := w.zygote()
	w.signal(unix.SIGHUP)
	if got := strings.Join(second.lines, "\n"); !strings.Contains(got, "20 Hang up: ") {
		t.Error(got)
	}
	third := w.zygote()
	w.signal(unix.SIGTERM)
	if got := strings.Join(third.lines, "\n"); !strings.Contains(got, "20 Generation 2 serves\n") || !strings.HasSuffix(got, "20 Shutting down: Master") {
		t.Error(got)
	}
}
