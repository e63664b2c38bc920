package master

import (
	"fmt"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
)

// exchange is over what workers with one thread hand connections to each other
// while they are busy. It belongs to no generation: what the old workers of a
// reload cannot serve at once the new ones may. The zero value is none.
type exchange struct{ fds []int }

// exchangeNames are the names of its descriptors.
var exchangeNames = []string{workerctl.FDExchangeIn, workerctl.FDExchangeOut, workerctl.FDClaims}

// openExchange makes one for so many slots of the scoreboard.
func openExchange(slots int) (exchange, error) {
	claims, err := scoreboard.CreateClaims(slots)
	if err != nil {
		return exchange{}, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(claims)
		return exchange{}, fmt.Errorf("making the exchange: %w", err)
	}
	return exchange{[]int{pair[0], pair[1], claims}}, nil
}

func (x *exchange) close() {
	for _, fd := range x.fds {
		_ = unix.Close(fd)
	}
	x.fds = nil
}

// shareExchange gives it to workers that were alone when they were started.
func (m *Master) shareExchange(g *generation) {
	if g.plan == nil || !g.handsOver() {
		return
	}
	for _, c := range m.table.Of(g.number) {
		if !c.HandsOver && c.Counts() {
			c.HandsOver = true
			m.instruct(c, workerctl.Exchange{FDs: exchangeNames}, m.exchange.fds...)
		}
	}
}

// handsOver tells whether the generation's workers use the exchange. A worker
// with threads needs none: it is stuck only when all of them are.
func (g *generation) handsOver() bool {
	s := &g.plan.Worker
	return s.WorkerClass == "sync" && s.Threads <= 1 && g.workers > 1 && !s.NoHandOver
}
