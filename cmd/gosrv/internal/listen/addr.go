// Package listen makes, inherits and removes the listening sockets. They belong
// to the master: workers get duplicates, so that an accept queue outlives each
// of them.
package listen

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"gosrv/wsgi/ipc/workerctl"
)

// Kinds of an Addr.
const (
	TCP  = "tcp"
	Unix = "unix"
	FD   = "fd" // an inherited descriptor, of either kind
)

// Addr is one bind setting, parsed.
type Addr struct {
	Kind string
	Host string // TCP: lower case, IPv6 without brackets, "" for all IPv4 addresses
	Port int    // TCP: 0 lets the kernel choose
	Path string // Unix: "\x00name" for an abstract socket; "@name" is a file, as with Gunicorn
	FD   int    // FD
}

const defaultPort = "8000"

// ParseAddr reads Gunicorn's bind grammar: HOST, HOST:PORT, [IPV6]:PORT,
// tcp://HOST:PORT, unix:PATH, unix://PATH, fd://N. Nothing at all means
// 0.0.0.0:8000, as there.
func ParseAddr(s string) (Addr, error) {
	if rest, ok := strings.CutPrefix(s, "unix:"); ok {
		path := strings.TrimPrefix(rest, "//")
		if path == "" {
			return Addr{}, fmt.Errorf("%s names no path", quote(s))
		}
		return Addr{Kind: Unix, Path: path}, nil
	}
	if rest, ok := strings.CutPrefix(s, "fd://"); ok {
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return Addr{}, fmt.Errorf("%s is not a valid file descriptor.", quote(rest))
		}
		return Addr{Kind: FD, FD: n}, nil
	}
	return parseTCP(strings.TrimPrefix(s, "tcp://"))
}

func parseTCP(s string) (Addr, error) {
	host, port := s, defaultPort
	switch {
	case strings.HasPrefix(s, "[") && strings.Contains(s, "]"):
		host, port, _ = strings.Cut(s[1:], "]")
		if port = strings.TrimPrefix(port, ":"); port == "" {
			port = defaultPort
		}
	case strings.Contains(s, ":"):
		host, port, _ = strings.Cut(s, ":")
	case s == "":
		host = "0.0.0.0"
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return Addr{}, fmt.Errorf("%s is not a valid port number.", quote(port))
	}
	if n < 0 || n > 65535 {
		return Addr{}, fmt.Errorf("port %d is out of range, allowed are 0 to 65535", n)
	}
	return Addr{Kind: TCP, Host: strings.ToLower(host), Port: n}, nil
}

// String is the address as Gunicorn's messages show it: Python's tuple for TCP.
func (a Addr) String() string {
	switch a.Kind {
	case TCP:
		return fmt.Sprintf("(%s, %d)", quote(a.Host), a.Port)
	case Unix:
		return shown(a.Path)
	}
	return "fd://" + strconv.Itoa(a.FD)
}

// quote is Python's repr of a plain string.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }

// URL shows a bound address as Gunicorn's start line does. scheme is "http" or
// "https" and counts for TCP only.
func URL(l workerctl.Listener, scheme string) string {
	if l.Kind == Unix {
		return "unix:" + shown(l.Path)
	}
	return scheme + "://" + net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
}
