// Package monitor carries the program gosrv-monitor (cmd/gosrv/monitor), which
// shows what a server counts and measures: to Prometheus, browsers and load
// balancers over the address metrics_bind, and to a terminal as `gosrv top`.
//
// It is a program of its own because of memory. The libraries that it is made of
// cost each process that links them one to two MiB before it does anything, and
// master and workers are one binary; a process of its own costs nothing where
// nobody has asked for it, and can neither hold up nor end the master.
package monitor

import (
	"encoding/json"
	"fmt"
	"os"
)

// Order is what a master tells its monitor. It goes by the environment, which
// only this user can read.
type Order struct {
	Master int    `json:"master"` // its process id
	Token  string `json:"token"`  // who asks must show it; "": anybody may ask
}

// Descriptors of the monitor.
const (
	SocketFD = 3 // where it listens
	LifeFD   = 4 // ends when the master does
)

const variable = "_GOSRV_MONITOR"

// Environ is the order as an environment has it.
func (o Order) Environ() (string, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("writing the monitor's order: %w", err)
	}
	return variable + "=" + string(text), nil
}

// Ordered tells whether this process was started to be a monitor.
func Ordered() bool { return os.Getenv(variable) != "" }

// TakeOrder reads the order and takes it out of the environment; false: there is none.
func TakeOrder() (o Order, ordered bool, err error) {
	text := os.Getenv(variable)
	_ = os.Unsetenv(variable)
	if text == "" {
		return o, false, nil
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return o, true, fmt.Errorf("reading the monitor's order: %w", err)
	}
	return o, true, nil
}
