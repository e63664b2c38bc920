package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTellReachesPathsAndAbstractSockets(t *testing.T) {
	for _, address := range []string{filepath.Join(t.TempDir(), "s"), fmt.Sprintf("@gosrv-unit-%d", os.Getpid())} {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		m := Find(func(name string) string { return map[string]string{"NOTIFY_SOCKET": address}[name] }, 1)
		if err := m.Tell(append(Reloading(1_234_567), "STATUS=x")...); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, err := conn.Read(got)
		if err != nil || string(got[:n]) != "RELOADING=1\nMONOTONIC_USEC=1234\nSTATUS=x" {
			t.Errorf("%s: got %q, %v", address, got[:n], err)
		}
		conn.Close()
		if m.Tell("READY=1") == nil {
			t.Errorf("%s: nobody listens and it is not said", address)
		}
	}
}

func TestWithoutManagerNothingIsSaid(t *testing.T) {
	m := Find(func(string) string { return "" }, 1)
	if m.Wanted() || m.Tell("READY=1") != nil {
		t.Error("there is no manager")
	}
}

func TestWatchdogIsForTheProcessItNames(t *testing.T) {
	for owner, want := range map[string]time.Duration{"": 2 * time.Second, "7": 2 * time.Second, "8": 0} {
		env := map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": owner}
		if got := Find(func(name string) string { return env[name] }, 7).Watchdog; got != want {
			t.Errorf("WATCHDOG_PID=%s: %v, want %v", owner, got, want)
		}
	}
}
