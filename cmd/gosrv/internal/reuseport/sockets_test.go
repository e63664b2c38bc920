package reuseport

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// made is a server of two ready workers with a socket each, without processes.
type made struct {
	*Sockets
	gens  generation.Generations
	table workers.Table
	told  map[*workers.Worker][]string
	alone bool
}

func make2(t *testing.T) *made {
	t.Helper()
	m := &made{table: workers.Table{Slots: 8}, told: map[*workers.Worker][]string{}, alone: true}
	m.Sockets = &Sockets{Server: Server{
		Generations: &m.gens, Table: &m.table, Log: errlog.New(2, "error"), Alone: func() bool { return m.alone },
		Tell: func(c *workers.Worker, msg workerctl.Message, _ ...int) { m.told[c] = append(m.told[c], msg.Type()) },
	}}
	g := m.gens.Begin()
	m.gens.Current = g
	g.Plan, g.Workers = &plan.Plan{}, 2
	g.Plan.Worker.ReusePort = true
	addr, err := listen.ParseAddr("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if g.Sockets, err = listen.OpenAll([]listen.Addr{addr}, listen.Options{Backlog: 8, ReusePort: true}, nil, errlog.New(2, "error"), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(false); g.CloseSockets(nil) })
	for range 2 {
		m.worker(t)
	}
	return m
}

// worker adds one that is ready.
func (m *made) worker(t *testing.T) *workers.Worker {
	t.Helper()
	c, ok := m.table.Add(1, time.Time{})
	if !ok {
		t.Fatal("no slot")
	}
	c.State, c.Channel, c.Sockets = workers.Ready, (*workerctl.Conn)(nil), m.For(m.gens.Current, c.Nr)
	for _, s := range m.Own() {
		if err := unix.Listen(s.FD, 8); err != nil { // as its first worker does
			t.Fatal(err)
		}
	}
	return c
}

// A connection that comes to a dead worker's socket is taken by the others at once.
func TestADeadWorkersSocketIsServedByTheOthers(t *testing.T) {
	now := time.Unix(0, 0)
	m := make2(t)
	m.Tend(now)
	stays, dies := m.table.List[0], m.table.List[1]
	if len(m.told) != 0 || len(m.Own()) != 1 || slices.Equal(stays.Sockets, dies.Sockets) {
		t.Fatalf("told %v, %d sockets beside the first", m.told, len(m.Own()))
	}
	m.table.Remove(dies)
	m.Tend(now)
	if got := m.told[stays]; !slices.Equal(got, []string{"Cover"}) {
		t.Fatalf("the other one is told %v", got)
	}
	successor := m.worker(t)
	if !slices.Equal(successor.Sockets, dies.Sockets) {
		t.Error("the successor has another socket")
	}
	m.Tend(now)
	if got := m.told[stays]; !slices.Equal(got, []string{"Cover", "Uncover"}) {
		t.Errorf("once its successor is ready: %v", got)
	}
}

func TestASocketEndsWithTheNumberOfWorkers(t *testing.T) {
	now := time.Unix(0, 0)
	m := make2(t)
	m.gens.Current.Workers = 1
	m.alone = false
	if m.Tend(now); !m.Due().IsZero() {
		t.Error("another master serves it")
	}
	m.alone = true
	if m.Tend(now); !m.Due().Equal(now.Add(Grace)) || len(m.Share()) != 0 {
		t.Errorf("due at %v", m.Due())
	}
	if m.Tend(now.Add(Grace)); len(m.Own()) != 0 {
		t.Error("it stays open")
	}
}
