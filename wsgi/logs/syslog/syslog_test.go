package syslog

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"unix:///dev/log":            "[unixgram unix] /dev/log",
		"unix://@log":                "[unixgram unix] ./@log",
		"unix:///dev/log#dgram":      "[unixgram] /dev/log",
		"unix:///dev/log#stream":     "[unix] /dev/log",
		"udp://localhost":            "[udp] localhost:514",
		"udp://":                     "[udp] localhost:514",
		"udp://LOGS.example:5140":    "[udp] logs.example:5140",
		"tcp://[::1]:601":            "[tcp] [::1]:601",
		"tcp://[::1]":                "[tcp] [::1]:514",
		"unix://":                    `syslog_addr: "unix://" has no path`,
		"udp://localhost:":           "[udp] localhost:514",
		"udp://localhost:x":          "syslog_addr: 'x' is not a valid port number",
		"udp://localhost:70000":      "syslog_addr: '70000' is not a valid port number",
		"localhost:514":              `syslog_addr: invalid syslog address "localhost:514": it is unix://PATH, udp://HOST:PORT or tcp://HOST:PORT`,
		"http://localhost:514/path/": `syslog_addr: invalid syslog address "http://localhost:514/path/": it is unix://PATH, udp://HOST:PORT or tcp://HOST:PORT`,
	} {
		a, err := ParseAddress(text)
		got := fmt.Sprintf("%v %s", a.networks, a.target)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestFacilities(t *testing.T) {
	for name, want := range map[string]int{"user": 1, "LOCAL7": 23, "daemon": 3} {
		if got, err := Facility(name); got != want || err != nil {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	if _, err := Facility("kitchen"); err == nil {
		t.Error("an unknown facility was taken")
	}
}

func dial(t *testing.T, address, name string) *Sender {
	t.Helper()
	a, err := ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	return NewSender(a, 1, "shop", name, func(text string) { t.Log(text) })
}

func TestDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := dial(t, "unix://"+path, "error")
	s.Send(Warning, []byte("two\nlines\n"))
	s.Send(Info, bytes.Repeat([]byte{'x'}, 2*longest))
	s.Close(10 * time.Second)
	s.Send(Info, []byte("too late"))
	buf := make([]byte, 1<<17)
	n, _ := server.Read(buf)
	if want := fmt.Sprintf("<12>gunicorn.shop.error: [%d] two\nlines\x00", os.Getpid()); string(buf[:n]) != want {
		t.Errorf("%q, want %q", buf[:n], want)
	}
	if n, _ = server.Read(buf); strings.Count(string(buf[:n]), "x") != longest {
		t.Errorf("%d bytes of a long message", n)
	}
}

func TestLinesOverTCP(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := dial(t, "tcp://"+server.Addr().String(), "access")
	s.Send(Error, []byte("two\nlines"))
	s.Send(Info, []byte("one"))
	conn, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s.Close(10 * time.Second)
	var got bytes.Buffer
	if _, err := got.ReadFrom(conn); err != nil {
		t.Fatal(err)
	}
	pid := os.Getpid()
	if want := fmt.Sprintf("<11>gunicorn.shop.access: [%d] two#012lines\n<14>gunicorn.shop.access: [%d] one\n", pid, pid); got.String() != want {
		t.Errorf("%q, want %q", got.String(), want)
	}
}

func TestSendNeverWaits(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0") // and never read
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	reports := make(chan string, 8)
	a, _ := ParseAddress("tcp://" + server.Addr().String())
	s := NewSender(a, 1, "p", "error", func(text string) { reports <- text })
	text := bytes.Repeat([]byte{'y'}, 10_000)
	for range 3000 { // 30 MB: no buffer takes that
		s.Send(Info, text)
	}
	if report := <-reports; !strings.HasPrefix(report, "Syslog: lines lost: ") {
		t.Error(report)
	}
	s.Close(0)
}

func TestNobodyAnswers(t *testing.T) {
	reports := make(chan string, 8)
	a, _ := ParseAddress("unix://" + filepath.Join(t.TempDir(), "nobody"))
	s := NewSender(a, 1, "p", "error", func(text string) { reports <- text })
	s.Send(Info, []byte("hello"))
	if report := <-reports; !strings.HasPrefix(report, "Syslog: no server answers: ") {
		t.Error(report)
	}
	s.Close(10 * time.Second)
}
