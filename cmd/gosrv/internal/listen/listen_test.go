package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

func TestParseAddrFollowsGunicornsGrammar(t *testing.T) {
	for text, want := range map[string]Addr{
		"127.0.0.1:8000":     {Kind: TCP, Host: "127.0.0.1", Port: 8000},
		"localhost":          {Kind: TCP, Host: "localhost", Port: 8000},
		"LocalHost:80":       {Kind: TCP, Host: "localhost", Port: 80},
		":8080":              {Kind: TCP, Port: 8080},
		"":                   {Kind: TCP, Host: "0.0.0.0", Port: 8000},
		"tcp://10.0.0.1:9":   {Kind: TCP, Host: "10.0.0.1", Port: 9},
		"[::1]:8001":         {Kind: TCP, Host: "::1", Port: 8001},
		"[::1]":              {Kind: TCP, Host: "::1", Port: 8000},
		"tcp://[::]:0":       {Kind: TCP, Host: "::", Port: 0},
		"unix:/run/a.sock":   {Kind: Unix, Path: "/run/a.sock"},
		"unix:///run/a.sock": {Kind: Unix, Path: "/run/a.sock"},
		"unix:rel.sock":      {Kind: Unix, Path: "rel.sock"},
		"unix:@name":         {Kind: Unix, Path: "@name"},
		"unix:\x00name":      {Kind: Unix, Path: "\x00name"},
		"fd://5":             {Kind: FD, FD: 5},
	} {
		if got, err := ParseAddr(text); err != nil || got != want {
			t.Errorf("%q = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"host:http":  "'http' is not a valid port number.",
		"host:":      "'' is not a valid port number.",
		"host:70000": "port 70000 is out of range, allowed are 0 to 65535",
		"fd://x":     "'x' is not a valid file descriptor.",
		"unix:":      "'unix:' names no path",
	} {
		if _, err := ParseAddr(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestURL(t *testing.T) {
	for want, l := range map[string]workerctl.Listener{
		"http://127.0.0.1:80": {Kind: TCP, Host: "127.0.0.1", Port: 80},
		"http://[::1]:80":     {Kind: TCP, Host: "::1", Port: 80},
		"unix:/run/x":         {Kind: Unix, Path: "/run/x"},
		`unix:\0x`:            {Kind: Unix, Path: "\x00x"},
	} {
		if got := URL(l, "http"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func dial(t *testing.T, s *Socket) {
	t.Helper()
	network, addr := "unix", s.Bound.Path
	if s.Bound.Kind == TCP {
		network, addr = "tcp", strings.TrimPrefix(URL(s.Bound, "http"), "http://")
	}
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatalf("nobody listens: %v", err)
	}
	c.Close()
}

func TestOpenListensAndReportsTheRealAddress(t *testing.T) {
	dir := t.TempDir()
	for _, a := range []Addr{
		{Kind: TCP, Host: "127.0.0.1"},
		{Kind: TCP, Host: "localhost"},
		{Kind: TCP, Host: "::1"},
		{Kind: TCP},
		{Kind: Unix, Path: filepath.Join(dir, "a.sock")},
		{Kind: Unix, Path: "\x00gosrv-listen-test-" + filepath.Base(dir)},
	} {
		s, err := Open(a, Options{Backlog: 16, UID: -1, GID: -1})
		if err != nil {
			if a.Host == "::1" && errors.Is(err, unix.EADDRNOTAVAIL) {
				continue // a machine without IPv6
			}
			t.Fatalf("%s: %v", a, err)
		}
		if a.Kind == TCP && s.Bound.Port == 0 {
			t.Errorf("%s: port not read back", a)
		}
		fl, _ := unix.FcntlInt(uintptr(s.FD), unix.F_GETFL, 0)
		fd, _ := unix.FcntlInt(uintptr(s.FD), unix.F_GETFD, 0)
		if fl&unix.O_NONBLOCK == 0 || fd&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: blocking or inheritable", a)
		}
		dial(t, s)
		s.Close(true)
	}
}

func TestUnixSocketModeFollowsUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.sock")
	s, err := Open(Addr{Kind: Unix, Path: path}, Options{Backlog: 1, Umask: 0o027, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(true)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("mode %v, %v; want 0750", st.Mode(), err)
	}
}

func TestStaleSocketIsReplacedLiveOneIsNot(t *testing.T) {
	a := Addr{Kind: Unix, Path: filepath.Join(t.TempDir(), "s.sock")}
	o := Options{Backlog: 1, UID: -1, GID: -1}
	first, err := Open(a, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(a, o); !errors.Is(err, ErrLive) {
		t.Fatalf("live socket: %v, want ErrLive", err)
	}
	dial(t, first)
	first.Close(false) // as a killed server leaves it
	second, err := Open(a, o)
	if err != nil {
		t.Fatalf("stale socket: %v", err)
	}
	dial(t, second)
	second.Close(true)
	if _, err := os.Lstat(a.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("path left behind: %v", err)
	}
}

func TestFileInPlaceOfSocketIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Addr{Kind: Unix, Path: path}, Options{Backlog: 1})
	if err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("%v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "x" {
		t.Error("file destroyed")
	}
}

func TestCloseLeavesASuccessorsSocket(t *testing.T) {
	a := Addr{Kind: Unix, Path: filepath.Join(t.TempDir(), "s.sock")}
	o := Options{Backlog: 1, UID: -1, GID: -1}
	first, err := Open(a, o)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(a.Path)
	second, err := Open(a, o)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close(true)
	first.Close(true)
	dial(t, second)
}

type lines []string

func (l *lines) Errorf(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

func TestAddressInUseIsRetriedThenExplained(t *testing.T) {
	holder, err := Open(Addr{Kind: TCP, Host: "127.0.0.1"}, Options{Backlog: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(false)
	a := Addr{Kind: TCP, Host: "127.0.0.1", Port: holder.Bound.Port}
	var log lines
	var waited time.Duration
	_, err = OpenAll([]Addr{a}, Options{Backlog: 1}, nil, &log, func(d time.Duration) bool { waited += d; return true })
	var failure *Error
	if !errors.As(err, &failure) || err.Error() != fmt.Sprintf("Can't connect to ('127.0.0.1', %d)", a.Port) {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(failure.Hint(), "ss -ltnp") {
		t.Errorf("hint: %s", failure.Hint())
	}
	inUse := fmt.Sprintf("Connection in use: ('127.0.0.1', %d)", a.Port)
	again := "Retrying in 1 second."
	if want := (lines{inUse, again, inUse, again, inUse, again, inUse, again, inUse}); strings.Join(log, "\n") != strings.Join(want, "\n") {
		t.Errorf("log:\n%s", strings.Join(log, "\n"))
	}
	if waited != 4*time.Second {
		t.Errorf("waited %v", waited)
	}
}

func TestGivingUpClosesWhatWasOpened(t *testing.T) {
	dir := t.TempDir()
	good := Addr{Kind: Unix, Path: filepath.Join(dir, "a.sock")}
	bad := Addr{Kind: Unix, Path: filepath.Join(dir, "no", "b.sock")}
	var log lines
	_, err := OpenAll([]Addr{good, bad}, Options{Backlog: 1, UID: -1, GID: -1}, nil, &log, nil)
	var failure *Error
	if !errors.As(err, &failure) || failure.Hint() != "its directory does not exist" {
		t.Fatalf("%v", err)
	}
	if _, err := os.Lstat(good.Path); err == nil {
		t.Error("first socket left behind")
	}
}

func TestReplaceKeepsSocketsThatStay(t *testing.T) {
	dir := t.TempDir()
	addr := func(name string) Addr { return Addr{Kind: Unix, Path: filepath.Join(dir, name)} }
	o := Options{Backlog: 1, UID: -1, GID: -1}
	old, err := OpenAll([]Addr{addr("a"), addr("b")}, o, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := OpenAll([]Addr{addr("b"), addr("c")}, o, old, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Replace(nil)
	old.Replace(next)
	if next[0] != old[1] {
		t.Error("b was bound again: its queue is lost")
	}
	dial(t, next[0])
	dial(t, next[1])
	if _, err := os.Lstat(addr("a").Path); err == nil {
		t.Error("a left behind")
	}
}

func TestInheritedDescriptorIsAdopted(t *testing.T) {
	made, err := Open(Addr{Kind: TCP, Host: "127.0.0.1"}, Options{Backlog: 1})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(Addr{Kind: FD, FD: made.FD}, Options{})
	if err != nil || got.Bound != made.Bound {
		t.Errorf("%+v, %v", got, err)
	}
	got.Close(true)
	if _, err := Open(Addr{Kind: FD, FD: 9999}, Options{}); err == nil {
		t.Error("a descriptor that is not open was accepted")
	}
}

func TestActivatedTakesOnlyOurSockets(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "2")
	if got := Activated(); got != nil {
		t.Errorf("sockets of pid 1 taken: %v", got)
	}
	t.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	if got := Activated(); len(got) != 2 || got[0].FD != 3 || got[1].FD != 4 {
		t.Errorf("%v", got)
	}
	if os.Getenv("LISTEN_FDS") != "" {
		t.Error("the application would see LISTEN_FDS")
	}
}

func TestRefuseKeepsTheQueueAndLetsNobodyIn(t *testing.T) {
	s, err := Open(Addr{Kind: TCP, Host: "127.0.0.1"}, Options{Backlog: 16})
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort(s.Bound.Host, fmt.Sprint(s.Bound.Port))
	queued, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer queued.Close()
	if err := (Set{s}).Refuse(); errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		t.Skip("this kernel lets nobody but root filter packets: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if late, err := net.DialTimeout("tcp", addr, 100*time.Millisecond); err == nil {
		late.Close()
		t.Error("a new connection got in")
	}
	if _, err := queued.Write([]byte("request")); err != nil {
		t.Fatal(err)
	}
	fd, _, err := unix.Accept(s.FD)
	if err != nil {
		t.Fatalf("the queued connection is lost: %v", err)
	}
	buf := make([]byte, 16)
	if n, err := unix.Read(fd, buf); err != nil || string(buf[:n]) != "request" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	unix.Close(fd)
	s.Close(true)
	if late, err := net.Dial("tcp", addr); !errors.Is(err, unix.ECONNREFUSED) {
		if err == nil {
			late.Close()
		}
		t.Errorf("after the close: %v, want a refusal", err)
	}
}

func TestAnAtSignInFrontIsAFilesName(t *testing.T) {
	t.Chdir(t.TempDir())
	a, o := Addr{Kind: Unix, Path: "@name"}, Options{Backlog: 1, UID: os.Getuid(), GID: -1}
	s, err := Open(a, o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Bound.Path != "@name" || URL(s.Bound, "http") != "unix:@name" {
		t.Errorf("bound to %q, shown as %s", s.Bound.Path, URL(s.Bound, "http"))
	}
	if st, err := os.Lstat("@name"); err != nil || st.Mode()&os.ModeSocket == 0 {
		t.Fatalf("no such file: %v, %v", st, err)
	}
	if _, err := Open(a, o); !errors.Is(err, ErrLive) {
		t.Errorf("the same once more: %v, want ErrLive", err)
	}
	copied, _ := unix.FcntlInt(uintptr(s.FD), unix.F_DUPFD_CLOEXEC, 0)
	if set, _ := Inherit([]int{copied}, []Addr{a}); len(set) != 1 || set[0].Bound.Path != "@name" {
		t.Errorf("inherited: %v", set)
	}
	s.Close(true)
	if _, err := os.Lstat("@name"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("path left behind: %v", err)
	}
}

func TestAnAbstractSocketIsInherited(t *testing.T) {
	a := Addr{Kind: Unix, Path: "\x00gosrv-inherit-test-" + filepath.Base(t.TempDir())}
	s, err := Open(a, Options{Backlog: 1, UID: os.Getuid(), GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(true)
	copied, _ := unix.FcntlInt(uintptr(s.FD), unix.F_DUPFD_CLOEXEC, 0)
	set, _ := Inherit([]int{copied}, []Addr{{Kind: Unix, Path: "@" + a.Path[1:]}, a})
	if len(set) != 1 || set[0].Asked != a || set[0].Bound.Path != a.Path {
		t.Fatalf("inherited: %+v", set)
	}
	set[0].Close(true)
}

func TestAPathThatIsTooLongIsMeasured(t *testing.T) {
	for _, first := range []string{"/", "\x00"} {
		_, err := Open(Addr{Kind: Unix, Path: first + strings.Repeat("x", maxPath)}, Options{Backlog: 1})
		if err == nil || !strings.Contains(err.Error(), "107 bytes, this one has 108") {
			t.Errorf("%q: %v", first, err)
		}
	}
}
