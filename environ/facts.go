package environ

import (
	"strconv"

	"gosrv/wsgi/call"
)

// Listener is what the environ says of a listening socket.
type Listener struct {
	Unix  bool
	Host  string // TCP: the bound address, 0.0.0.0 for all, as Gunicorn has it
	Port  uint16
	Path  string // unix: of the socket
	HTTPS bool   // speaks TLS
}

// Var is one constant variable of the environ.
type Var struct{ Name, Value string }

// Base returns what Pack leaves to the environ of the listener and sets only where a request differs:
// SERVER_NAME, SERVER_PORT, SCRIPT_NAME.
func (l *Listener) Base(r *Rules) []Var {
	name, port := l.Host, strconv.Itoa(int(l.Port))
	if l.Unix {
		name, port = l.Path, ""
	}
	return []Var{{"SERVER_NAME", name}, {"SERVER_PORT", port}, {"SCRIPT_NAME", r.scriptName}}
}

// Facts is what the environ says of one connection.
type Facts struct {
	Rules    *Rules
	Listener *Listener
	*call.Client
}

// https is wsgi.url_scheme as far as no header says otherwise.
func (f *Facts) https() bool {
	if f.Scheme != call.SchemeOwn {
		return f.Scheme == call.SchemeHTTPS
	}
	return f.Listener.HTTPS
}
