// Package upgrade hands the listening sockets to a new master that takes the
// place of the running one: Gunicorn's protocol for SIGUSR2, so that either
// server can be the one before and the one after. The new master is executed
// with the old one's arguments, directory and environment, and with
//
//	GUNICORN_PID   the old master, whose child it is
//	GUNICORN_FD    numbers of the inherited sockets, with commas between; or,
//	               where systemd made the sockets, LISTEN_PID and LISTEN_FDS
//
// Between two gosrv there are four things more: a pipe named by _GOSRV_READY, in
// which the new master says that it serves; the sockets of metrics_bind and
// acme_http_bind, named by _GOSRV_METRICS and _GOSRV_PLAIN; and a memory file named by _GOSRV_TICKETS with the keys by which
// TLS clients resume.
package upgrade

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	envPID    = "GUNICORN_PID"
	envFD     = "GUNICORN_FD"
	envReady  = "_GOSRV_READY"
	envTicket = "_GOSRV_TICKETS"
	envMetric = "_GOSRV_METRICS"
	envPlain  = "_GOSRV_PLAIN"
	envListen = "_GOSRV_LISTEN" // the program to execute, once LISTEN_PID is known
	firstFD   = 3
)

// Origin says who started this master. The zero value: a user.
type Origin struct {
	Parent  int   // the master to be replaced, 0 for none
	Sockets []int // inherited through GUNICORN_FD, in the order of bind; close-on-exec
	Ready   int   // descriptor to write to when this master serves; 0 for none
	Tickets int   // descriptor of the keys of TLS session tickets (certs.Tickets); 0 for none
	Metrics int   // the socket of metrics_bind; 0 for none
	Plain   int   // the socket of acme_http_bind; 0 for none
}

// Handed are descriptors that a new gosrv takes over beside the sockets; -1 for none.
type Handed struct {
	Tickets int // Origin.Tickets
	Metrics int // the socket of metrics_bind
	Plain   int // the socket of acme_http_bind
}

// Inherit reads the origin out of the environment and takes it out of there:
// the application and the next upgrade see what the user had set.
func Inherit() (Origin, error) {
	var o Origin
	var err error
	if text := take(envPID); text != "" {
		if o.Parent, err = strconv.Atoi(text); err != nil {
			return o, fmt.Errorf("%s: %q is no process", envPID, text)
		}
	}
	if text := take(envFD); text != "" && o.Parent != 0 {
		for _, number := range strings.Split(text, ",") {
			fd, err := descriptor(number)
			if err != nil {
				return o, fmt.Errorf("%s: %w", envFD, err)
			}
			o.Sockets = append(o.Sockets, fd)
		}
	}
	if text := take(envReady); text != "" {
		if o.Ready, err = descriptor(text); err != nil {
			return o, fmt.Errorf("%s: %w", envReady, err)
		}
	}
	if text := take(envTicket); text != "" {
		if o.Tickets, err = descriptor(text); err != nil {
			return o, fmt.Errorf("%s: %w", envTicket, err)
		}
	}
	for name, into := range map[string]*int{envMetric: &o.Metrics, envPlain: &o.Plain} {
		if text := take(name); text != "" {
			if *into, err = descriptor(text); err != nil {
				return o, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return o, nil
}

func take(name string) string {
	text := os.Getenv(name)
	_ = os.Unsetenv(name)
	return text
}

// descriptor reads a number and checks that it is open. It must not reach the
// zygote, which is executed before the sockets are looked at.
func descriptor(text string) (int, error) {
	fd, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || fd < firstFD {
		return 0, fmt.Errorf("%q is no descriptor", text)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return 0, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return fd, nil
}

// Start is what it takes to begin again. It must be noted down before anything
// is changed.
type Start struct {
	Program string // the path this process was started by; may be a script or a new binary by now
	Argv    []string
	Dir     string
	Environ []string
}

// Remember notes down how this process was started.
func Remember() (Start, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Start{}, fmt.Errorf("finding the working directory: %w", err)
	}
	program := os.Args[0]
	if !strings.Contains(program, "/") {
		if found, err := exec.LookPath(program); err == nil {
			program = found
		}
	}
	if !filepath.IsAbs(program) {
		program = filepath.Join(dir, program)
	}
	return Start{Program: program, Argv: append([]string(nil), os.Args...), Dir: dir, Environ: os.Environ()}, nil
}

// Execute starts the new master, a child of this process, and gives it the sockets
// and what is handed beside them. ready is to be read:
// a byte means that the new master serves, end of file alone that it did not
// come to that, or does not know of the pipe. The caller closes it.
func (s Start) Execute(sockets []int, handed Handed, systemd bool) (pid int, ready *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer w.Close()
	files := []uintptr{0, 1, 2}
	for _, fd := range sockets {
		files = append(files, uintptr(fd))
	}
	files = append(files, w.Fd())
	program, env := s.Program, s.environ(len(sockets), systemd)
	for name, fd := range map[string]int{envTicket: handed.Tickets, envMetric: handed.Metrics, envPlain: handed.Plain} {
		if fd >= 0 {
			env = append(env, fmt.Sprintf("%s=%d", name, len(files)))
			files = append(files, uintptr(fd))
		}
	}
	if systemd {
		program = "/proc/self/exe" // which becomes the program when it knows its own pid, see Continue
	}
	pid, err = syscall.ForkExec(program, s.Argv, &syscall.ProcAttr{Dir: s.Dir, Env: env, Files: files})
	if err != nil {
		r.Close()
		return 0, nil, fmt.Errorf("starting %s: %w", s.Program, err)
	}
	return pid, r, nil
}

// environ is the original environment with the new master's origin in it.
// WATCHDOG_PID would name the wrong process; without it the watchdog is asked
// of whoever reads it.
func (s Start) environ(sockets int, systemd bool) []string {
	ours := []string{envPID, envFD, envReady, envTicket, envMetric, envPlain, envListen, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"}
	var env []string
	for _, pair := range s.Environ {
		name, _, _ := strings.Cut(pair, "=")
		known := false
		for _, n := range ours {
			known = known || n == name
		}
		if !known {
			env = append(env, pair)
		}
	}
	env = append(env, fmt.Sprintf("%s=%d", envPID, os.Getpid()), fmt.Sprintf("%s=%d", envReady, firstFD+sockets))
	if systemd {
		return append(env, fmt.Sprintf("LISTEN_FDS=%d", sockets), envListen+"="+s.Program)
	}
	var numbers []string
	for i := range sockets {
		numbers = append(numbers, strconv.Itoa(firstFD+i))
	}
	return append(env, envFD+"="+strings.Join(numbers, ","))
}

// Continue is the second half of Execute for sockets of systemd: LISTEN_PID
// names the process that may use them, which no parent can know beforehand.
// It returns at once in any other process.
func Continue() error {
	program := take(envListen)
	if program == "" {
		return nil
	}
	if err := os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	return fmt.Errorf("starting %s: %w", program, syscall.Exec(program, os.Args, os.Environ()))
}
