package listen

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Set is all sockets of one server, in the order of the bind setting.
type Set []*Socket

// Log is the part of the error log that binding needs.
type Log interface {
	Errorf(format string, args ...any)
}

// attempts and pause are Gunicorn's: a predecessor may need a moment to go.
const (
	attempts = 5
	pause    = time.Second
)

// OpenAll binds every address, taking sockets from kept where the same address
// is bound already. An address in use is tried five times, a second apart;
// Gunicorn's lines go to log. wait pauses, and says false if the attempt is to
// be given up. On error nothing stays open but kept. The error is what the user
// should read: Gunicorn's sentence and a second line with what to do.
func OpenAll(addrs []Addr, o Options, kept Set, log Log, wait func(time.Duration) bool) (Set, error) {
	var set Set
	for _, a := range addrs {
		s := kept.find(a)
		if s == nil {
			var err error
			if s, err = openRetrying(a, o, log, wait); err != nil {
				set.Replace(kept)
				return nil, err
			}
		}
		set = append(set, s)
	}
	return set, nil
}

func openRetrying(a Addr, o Options, log Log, wait func(time.Duration) bool) (*Socket, error) {
	for try := 1; ; try++ {
		s, err := Open(a, o)
		if err == nil {
			return s, nil
		}
		retry := true
		switch {
		case errors.Is(err, unix.EADDRINUSE), errors.Is(err, ErrLive):
			log.Errorf("Connection in use: %s", a)
		case errors.Is(err, unix.EADDRNOTAVAIL):
			log.Errorf("Invalid address: %s", a)
		default:
			retry = false
		}
		if !retry || try == attempts {
			return nil, &Error{Addr: a, Err: err}
		}
		log.Errorf("Retrying in 1 second.")
		if !wait(pause) {
			return nil, &Error{Addr: a, Err: err}
		}
	}
}

// Error is a socket that could not be had.
type Error struct {
	Addr Addr
	Err  error
}

// Error is Gunicorn's sentence.
func (e *Error) Error() string { return fmt.Sprintf("Can't connect to %s", e.Addr) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says in one line why, and what to do about it.
func (e *Error) Hint() string {
	port := strconv.Itoa(e.Addr.Port)
	switch {
	case errors.Is(e.Err, ErrLive):
		return "another server answers on this socket; `ss -lxp` shows which"
	case errors.Is(e.Err, unix.EADDRINUSE) && e.Addr.Kind == TCP:
		return "another process listens on port " + port + "; `ss -ltnp 'sport = :" + port + "'` shows which"
	case errors.Is(e.Err, unix.EADDRNOTAVAIL):
		return "no interface of this machine has the address " + e.Addr.Host
	case errors.Is(e.Err, os.ErrPermission) && e.Addr.Kind == TCP:
		return "permission denied: ports below 1024 need root or CAP_NET_BIND_SERVICE"
	case errors.Is(e.Err, os.ErrPermission):
		return "permission denied: this user may not create " + e.Addr.Path
	case errors.Is(e.Err, os.ErrNotExist) && e.Addr.Kind == Unix:
		return "its directory does not exist"
	}
	return e.Err.Error()
}

func (s Set) find(a Addr) *Socket {
	for _, have := range s {
		if have.Asked == a {
			return have
		}
	}
	return nil
}

// Replace closes what s has and next has not, and removes the paths of unix
// sockets. With an empty next it closes all.
func (s Set) Replace(next Set) {
	for _, have := range s {
		if next.find(have.Asked) == nil {
			have.Close(true)
		}
	}
}

// Activated gives the sockets systemd passed (LISTEN_PID, LISTEN_FDS), as
// addresses to open, and unsets the variables, so that no other process takes
// them for its own. None were passed: nil.
func Activated() []Addr {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if pid != os.Getpid() || n <= 0 {
		return nil
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name)
	}
	addrs := make([]Addr, n)
	for i := range addrs {
		unix.CloseOnExec(3 + i)
		addrs[i] = Addr{Kind: FD, FD: 3 + i}
	}
	return addrs
}
