package statsd

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAddresses(t *testing.T) {
	for host, want := range map[string]string{
		"localhost:8125": "udp localhost:8125", "localhost": "udp localhost:8125", "[::1]:9": "udp [::1]:9", "[::1]": "udp [::1]:8125",
		"unix:///run/statsd": "unixgram /run/statsd", "unix:/run/statsd": "unixgram /run/statsd", "unix:8125": "udp unix:8125",
		"unix://@statsd": "unixgram ./@statsd",
		"tcp://h:1":      "udp h:1",
	} {
		network, target := address(host)
		if got := network + " " + target; got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

func TestPrefixes(t *testing.T) {
	for prefix, want := range map[string]string{"": "", "a": "a", "ab": "ab.", "ab.": "ab.", "a.b..": "a.b."} {
		if got := dotted(prefix); got != want {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}

func TestMetricsShareDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "statsd")
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := New("unix://"+path, "web", "env:test")
	c.Gauge("gunicorn.workers", 3)
	c.Histogram("gunicorn.backlog", 2)
	c.Count("gunicorn.log.error")
	c.Request(1500*time.Microsecond, 200)
	for range 100 {
		c.Request(time.Millisecond, 404)
	}
	c.Close(10 * time.Second)
	counts := map[string]int{}
	buf := make([]byte, 1<<16)
	for total := 0; total < 3+3*101; {
		_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := server.Read(buf)
		if err != nil {
			t.Fatalf("%v after %d metrics", err, total)
		}
		if n > datagram {
			t.Errorf("a datagram of %d bytes", n)
		}
		for line := range strings.SplitSeq(string(buf[:n]), "\n") {
			counts[line]++
			total++
		}
	}
	for line, want := range map[string]int{
		"web.gunicorn.workers:3|g|#env:test": 1, "web.gunicorn.backlog:2|h|#env:test": 1, "web.gunicorn.log.error:1|c|@1.0|#env:test": 1,
		"web.gunicorn.request.duration:1.5|ms|#env:test": 1, "web.gunicorn.request.duration:1|ms|#env:test": 100,
		"web.gunicorn.requests:1|c|@1.0|#env:test": 101, "web.gunicorn.request.status.404:1|c|@1.0|#env:test": 100,
	} {
		if counts[line] != want {
			t.Errorf("%s: %d times, want %d", line, counts[line], want)
		}
	}
}
