package workerctl

import (
	"encoding/json"
	"errors"
	"time"
)

// Orders is who obeys what the master sends to a worker that serves. Those that return a bool tell
// whether they have taken the descriptors, which are closed otherwise.
type Orders interface {
	Drain(grace time.Duration, final bool) // grace 0: as the settings have it
	Quit()
	Look()
	Cover(l Listener, fd int) // takes the descriptor
	Uncover(id int)
	JoinExchange(names []string, fds []int) bool
	Refork(fds []int) bool
	ReopenLogs(names []string, fds []int) bool
	Certificates(fds []int) bool
	MasterGone() // nobody will stop or replace this worker
}

// ReadOrders has all obeyed that the master has sent and o has not seen. It never waits.
func (c *Conn) ReadOrders(o Orders) {
	for {
		typ, raw, fds, err := c.TryRecv()
		if errors.Is(err, ErrWouldBlock) {
			return
		}
		if err != nil {
			o.MasterGone()
			return
		}
		if !obey(o, typ, raw, fds) {
			closeAll(fds)
		}
	}
}

// obey is one order. What is not understood comes from a master of other code and is left alone.
func obey(o Orders, typ string, raw json.RawMessage, fds []int) (taken bool) {
	switch typ {
	case "Drain":
		var m Drain
		if json.Unmarshal(raw, &m) != nil {
			m.GracefulTimeout = 0
		}
		o.Drain(time.Duration(m.GracefulTimeout*float64(time.Second)), m.Final)
	case "Quit":
		o.Quit()
	case "Look":
		o.Look()
	case "Cover":
		var m Cover
		if taken = len(fds) == 1 && json.Unmarshal(raw, &m) == nil; taken {
			o.Cover(m.Listener, fds[0])
		}
	case "Uncover":
		var m Uncover
		if len(fds) == 0 && json.Unmarshal(raw, &m) == nil {
			o.Uncover(m.ID)
		}
	case "Exchange":
		var m Exchange
		return json.Unmarshal(raw, &m) == nil && o.JoinExchange(m.FDs, fds)
	case "Refork":
		return o.Refork(fds)
	case "Certificates":
		return o.Certificates(fds)
	case "ReopenLogs":
		var m ReopenLogs
		return json.Unmarshal(raw, &m) == nil && o.ReopenLogs(m.FDs, fds)
	}
	return taken
}
