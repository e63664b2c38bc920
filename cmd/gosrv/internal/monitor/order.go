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

// Variable is the one of the environment in which the other program finds its order.
type Variable string

// variable is a monitor's.
const variable Variable = "_GOSRV_MONITOR"

// Set is the order as an environment has it.
func (v Variable) Set(order any) (string, error) {
	text, err := json.Marshal(order)
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", v, err)
	}
	return string(v) + "=" + string(text), nil
}

// Given tells whether this process was started with such an order.
func (v Variable) Given() bool { return os.Getenv(string(v)) != "" }

// Take reads the order into what order points to, and takes it out of the environment; false: there is none.
func (v Variable) Take(order any) (ordered bool, err error) {
	text := os.Getenv(string(v))
	_ = os.Unsetenv(string(v))
	if text == "" {
		return false, nil
	}
	if err := json.Unmarshal([]byte(text), order); err != nil {
		return true, fmt.Errorf("reading %s: %w", v, err)
	}
	return true, nil
}

// Ordered tells whether this process was started to be a monitor.
func Ordered() bool { return variable.Given() }

// TakeOrder takes the monitor's order; false: there is none.
func TakeOrder() (o Order, ordered bool, err error) {
	ordered, err = variable.Take(&o)
	return o, ordered, err
}
