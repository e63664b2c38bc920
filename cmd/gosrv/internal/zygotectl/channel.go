package zygotectl

import (
	"encoding/json"

	"gosrv/wsgi/ipc/workerctl"
)

// Channel is the master's end of a control channel, to a zygote or a worker. A
// *workerctl.Conn is one; the master's tests have another.
type Channel interface {
	Send(msg workerctl.Message, fds ...int) error
	TryRecv() (typ string, raw json.RawMessage, fds []int, err error)
	Close() error
}
