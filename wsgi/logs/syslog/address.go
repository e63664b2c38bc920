// Package syslog sends log lines to a syslog server in the shape of Gunicorn's
// (and Python's SysLogHandler), without ever making the caller wait.
package syslog

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Severity is syslog's.
type Severity int

// The severities of log levels.
const (
	Critical Severity = 2
	Error    Severity = 3
	Warning  Severity = 4
	Info     Severity = 6
	Debug    Severity = 7
)

// facilities are the names of the syslog_facility setting.
var facilities = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6, "news": 7,
	"uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11, "local0": 16, "local1": 17, "local2": 18, "local3": 19,
	"local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// Facility gives the number of a facility, named in any case.
func Facility(name string) (int, error) {
	if n, ok := facilities[strings.ToLower(name)]; ok {
		return n, nil
	}
	return 0, fmt.Errorf("syslog_facility: %q is unknown; it is one of user, daemon, local0 to local7, auth, authpriv, cron, ftp, kern, lpr, mail, news, syslog, uucp", name)
}

// Address is where a syslog server listens.
type Address struct {
	networks []string // as net.Dial names them, in the order of trying
	target   string
	lines    bool // messages end in a newline: TCP servers know no other end
}

// ParseAddress reads the syslog_addr setting: unix://PATH, with #dgram or #stream if it is not to
// be found out, udp://HOST:PORT, tcp://HOST:PORT. The port is 514 if it is missing.
func ParseAddress(text string) (Address, error) {
	kind, rest, found := strings.Cut(text, "://")
	switch {
	case found && kind == "unix":
		path, wanted, _ := strings.Cut(rest, "#")
		if strings.HasPrefix(path, "@") {
			path = "./" + path // a file, as with Gunicorn; package net takes '@' for an abstract socket
		}
		switch {
		case path == "":
			return Address{}, fmt.Errorf("syslog_addr: %q has no path", text)
		case wanted == "dgram":
			return Address{networks: []string{"unixgram"}, target: path}, nil
		case wanted == "stream":
			return Address{networks: []string{"unix"}, target: path}, nil
		}
		return Address{networks: []string{"unixgram", "unix"}, target: path}, nil
	case found && (kind == "udp" || kind == "tcp"):
		host, port := splitHost(rest)
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return Address{}, fmt.Errorf("syslog_addr: '%s' is not a valid port number", port)
		}
		return Address{networks: []string{kind}, target: net.JoinHostPort(host, port), lines: kind == "tcp"}, nil
	}
	return Address{}, fmt.Errorf("syslog_addr: invalid syslog address %q: it is unix://PATH, udp://HOST:PORT or tcp://HOST:PORT", text)
}

// splitHost takes "host:port" apart; both may be missing.
func splitHost(text string) (host, port string) {
	if inner, after, found := strings.Cut(text, "]"); found && strings.HasPrefix(text, "[") {
		host, port = inner[1:], strings.TrimPrefix(after, ":")
	} else {
		host, port, _ = strings.Cut(text, ":")
	}
	if host == "" {
		host = "localhost"
	}
	if port == "" {
		port = "514"
	}
	return strings.ToLower(host), port
}

// String is the address as messages name it.
func (a Address) String() string { return a.networks[0] + " " + a.target }
