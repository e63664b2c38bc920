package upgrade

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEnvironmentOfTheNewMaster(t *testing.T) {
	s := Start{Program: "/p", Environ: []string{
		"A=1", "GUNICORN_PID=1", "GUNICORN_FD=9", "LISTEN_PID=1", "LISTEN_FDS=1", "WATCHDOG_PID=1", "WATCHDOG_USEC=5", "_GOSRV_READY=8",
	}}
	pid := "GUNICORN_PID=" + strconv.Itoa(os.Getpid())
	want := []string{"A=1", "WATCHDOG_USEC=5", pid, "_GOSRV_READY=5", "GUNICORN_FD=3,4"}
	if got := s.environ(2, false); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	want = []string{"A=1", "WATCHDOG_USEC=5", pid, "_GOSRV_READY=5", "LISTEN_FDS=2", "_GOSRV_LISTEN=/p"}
	if got := s.environ(2, true); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewMasterGetsSocketsDirectoryAndPipe(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	dir := t.TempDir()
	s := Start{Program: "/bin/sh", Argv: []string{"name", "-c", `echo "$0 $PWD $GUNICORN_PID $GUNICORN_FD $X" >&3; printf R >&$_GOSRV_READY`, "zero"}, Dir: dir, Environ: []string{"X=y"}}
	pid, ready, err := s.Execute([]int{int(file.Fd())}, Handed{-1, -1, -1}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	word, err := io.ReadAll(ready)
	if err != nil || string(word) != "R" {
		t.Errorf("its word is %q, %v", word, err)
	}
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	said, _ := os.ReadFile(out)
	if want := "zero " + dir + " " + strconv.Itoa(os.Getpid()) + " 3 y\n"; string(said) != want {
		t.Errorf("it said %q, want %q", said, want)
	}
}

func TestProgramThatCannotBeExecuted(t *testing.T) {
	_, _, err := Start{Program: "/nonexistent/gosrv", Dir: "/"}.Execute(nil, Handed{-1, -1, -1}, false)
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/gosrv") {
		t.Errorf("got %v", err)
	}
}

func TestInheritTakesTheOriginOutOfTheEnvironment(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	number := strconv.Itoa(int(r.Fd()))
	if _, err := unix.FcntlInt(r.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	t.Setenv(envPID, "7")
	t.Setenv(envFD, number)
	t.Setenv(envReady, strconv.Itoa(int(w.Fd())))
	o, err := Inherit()
	if err != nil || o.Parent != 7 || !slices.Equal(o.Sockets, []int{int(r.Fd())}) || o.Ready != int(w.Fd()) {
		t.Errorf("origin %+v, %v", o, err)
	}
	for _, name := range []string{envPID, envFD, envReady} {
		if _, set := os.LookupEnv(name); set {
			t.Errorf("the application would see %s", name)
		}
	}
	if flags, _ := unix.FcntlInt(r.Fd(), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("the zygote would inherit the socket")
	}
}

func TestInheritRefusesNonsense(t *testing.T) {
	for name, value := range map[string]string{envPID: "x", envFD: "2", envReady: "999999"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(envPID, "7")
			t.Setenv(name, value)
			if o, err := Inherit(); err == nil {
				t.Errorf("%+v", o)
			}
		})
	}
}
