package route

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// server is a datagram socket and what came to it.
func server(t *testing.T, network, address string) (at string, next func() string) {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String(), func() string {
		buf := make([]byte, 1<<12)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestLinesGoToSyslogAndWarningsAreCounted(t *testing.T) {
	socket, line := server(t, "unixgram", filepath.Join(t.TempDir(), "log"))
	host, metric := server(t, "udp", "127.0.0.1:0")
	settings := &workerctl.Settings{Syslog: true, SyslogAddr: "unix://" + socket, SyslogFacility: "user", ProcName: "app:x", StatsdHost: host, StatsdPrefix: "web"}
	r, err := Open(settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.OpenAccess(settings); err != nil {
		t.Fatal(err)
	}
	r.Line(errlog.Info, []byte("Listening\n"))
	if got := line(); !strings.HasPrefix(got, "<14>gunicorn.app.x.error: [") || !strings.HasSuffix(got, "] Listening\x00") {
		t.Errorf("%q", got)
	}
	r.Line(errlog.Critical, []byte("it burns"))
	if got := line(); !strings.HasPrefix(got, "<10>") {
		t.Errorf("%q", got)
	}
	if got := metric(); got != "web.gunicorn.log.critical:1|c|@1.0" {
		t.Errorf("%q: the line of level info is none to count", got)
	}
	r.CloseAccess()
	if r.Close(); r.Access != nil {
		t.Error("the access log's lines still have a way")
	}
}

func TestWithoutSettingsLinesGoNowhere(t *testing.T) {
	r, err := Open(&workerctl.Settings{}, nil)
	if err != nil || r != (Route{}) {
		t.Errorf("%+v, %v", r, err)
	}
	r.Line(errlog.Error, []byte("x"))
	r.Close()
}

func TestAWrongFacilityIsToldBeforeAnythingIsOpen(t *testing.T) {
	r, err := Open(&workerctl.Settings{Syslog: true, SyslogAddr: "udp://localhost:514", SyslogFacility: "nonsense", StatsdHost: "localhost"}, nil)
	if err == nil || r != (Route{}) {
		t.Errorf("%+v, %v", r, err)
	}
}
