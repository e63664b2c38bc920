package zygote

import (
	"encoding/json"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// channel has one message and a descriptor beside it, then nothing, then its end.
type channel struct{ step int }

func (c *channel) Send(workerctl.Message, ...int) error {
	if c.step > 2 {
		return unix.EPIPE
	}
	return nil
}

func (c *channel) TryRecv() (string, json.RawMessage, []int, error) {
	c.step++
	switch c.step {
	case 1:
		return "Configured", nil, []int{7}, nil
	case 2:
		return "", nil, nil, workerctl.ErrWouldBlock
	}
	return "", nil, nil, io.EOF
}

func (c *channel) Close() error { return nil }

func TestLifeOfAProcess(t *testing.T) {
	var none *Process
	if none.Forks() || none.Stuck(time.Time{}, time.Second) != nil {
		t.Error("no process forks, or is stuck")
	}
	z := &Process{PID: 1, Channel: &channel{}, State: Loading}
	var dropped []int
	recv := func() (string, error) {
		typ, _, err := z.Recv(func(fd int) { dropped = append(dropped, fd) })
		return typ, err
	}
	if typ, err := recv(); typ != "Configured" || err != nil || len(dropped) != 1 {
		t.Fatalf("%q, %v; descriptors closed: %v", typ, err, dropped)
	}
	z.Configured(Logging{Relay: true, Level: 20})
	z.Hold()
	if z.Forks() {
		t.Error("it forks while it is held")
	}
	if z.Release(); !z.Forks() {
		t.Error("it does not fork once it is released")
	}
	if typ, err := recv(); typ != "" || err != nil {
		t.Errorf("nothing has come, but: %q, %v", typ, err)
	}
	if _, err := recv(); Reason(err) != "" || z.Forks() {
		t.Errorf("end of its channel: %v; it forks: %v", err, z.Forks())
	}
	if z.Release(); z.Forks() {
		t.Error("it is back from the dead")
	}
}

func TestExitIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	z := &Process{PID: 1, Channel: &channel{}, State: Ready}
	if err := z.Exit(now); err != nil || z.Forks() || z.Overdue(now) || !z.Overdue(now.Add(ExitGrace)) {
		t.Errorf("%v; state %d", err, z.State)
	}
	z.State = Killed
	if z.Overdue(now.Add(time.Hour)) {
		t.Error("it is killed twice")
	}
}

func TestTasksAreAnsweredInOrder(t *testing.T) {
	now := time.Unix(0, 0)
	z := &Process{PID: 1, Channel: &channel{}}
	for _, order := range []workerctl.Message{zygotectl.LoadConfig{}, zygotectl.LogLine{}, zygotectl.RunHook{Name: "on_exit"}} {
		if err := z.Tell(order, now); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Minute)
	if task := z.Stuck(now, 30*time.Second); task == nil || task.Name != "the config file" {
		t.Fatalf("stuck: %v", task)
	} else {
		task.Reported = true
	}
	if z.Answered("SpawnFailed", now) || !z.Answered("ConfigLoaded", now) {
		t.Error("the first answer is not the one that was reported late")
	}
	if task := z.Stuck(now.Add(time.Minute), 30*time.Second); task == nil || task.Name != "the hook on_exit" {
		t.Errorf("then: %v", task)
	}
	if z.Stuck(now.Add(29*time.Second), 30*time.Second) != nil {
		t.Error("its time begins when the task before is done")
	}
	if z.Answered("HookDone", now); !z.Idle() {
		t.Error("it owes an answer")
	}
}

func TestListGivesOnce(t *testing.T) {
	l := List{{PID: 1}, {PID: 2}}
	if z := l.Take(2); z == nil || z.PID != 2 || l.Take(2) != nil || len(l) != 1 {
		t.Errorf("%v", l)
	}
}
