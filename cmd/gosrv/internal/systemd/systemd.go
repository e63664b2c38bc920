// Package systemd tells a service manager how the server is: sd_notify(3)
// without its library.
package systemd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager, if there is one that wants to know.
type Manager struct {
	path     string
	Watchdog time.Duration // a sign of life is asked for this often; 0: not asked
}

// Find reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. They stay in the
// environment, as with Gunicorn: applications use them too.
func Find(getenv func(string) string, pid int) Manager {
	m := Manager{path: getenv("NOTIFY_SOCKET")}
	usec, _ := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if owner := getenv("WATCHDOG_PID"); usec > 0 && m.path != "" && (owner == "" || owner == strconv.Itoa(pid)) {
		m.Watchdog = time.Duration(usec) * time.Microsecond
	}
	return m
}

// Wanted tells whether anybody listens.
func (m Manager) Wanted() bool { return m.path != "" }

// Tell sends assignments such as READY=1 in one datagram. Without a manager it
// does nothing.
func (m Manager) Tell(assignments ...string) error {
	if m.path == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	defer unix.Close(fd)
	// A path with '@' in front is an abstract socket; x/sys translates it.
	err = unix.Sendto(fd, []byte(strings.Join(assignments, "\n")), 0, &unix.SockaddrUnix{Name: m.path})
	if err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}

// Reloading gives the assignments that must travel in one datagram (Type=notify-reload).
// monotonic is CLOCK_MONOTONIC in ns.
func Reloading(monotonic int64) []string {
	return []string{"RELOADING=1", "MONOTONIC_USEC=" + strconv.FormatInt(monotonic/1000, 10)}
}

// MainPID announces which process is the service.
func MainPID(pid int) string { return "MAINPID=" + strconv.Itoa(pid) }
