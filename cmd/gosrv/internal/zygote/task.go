package zygote

import (
	"time"

	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// Task is something that a zygote is to answer.
type Task struct {
	Name     string // what it does then
	Since    time.Time
	Reported bool // the log says that it takes long
}

// taskName says what an order that is answered makes a zygote do; "" for others.
func taskName(order workerctl.Message) string {
	switch order := order.(type) {
	case zygotectl.LoadConfig:
		return "the config file"
	case zygotectl.Configure:
		if plan.Preloads(order.Settings) {
			return "the import of " + order.App
		}
		return "the import of hooks"
	case zygotectl.ImportStdlib:
		return "the import of the standard library"
	case zygotectl.RunHook:
		return "the hook " + order.Name
	}
	return ""
}

// begin notes what it is told to do. It does one thing at a time.
func (z *Process) begin(order workerctl.Message, now time.Time) {
	if name := taskName(order); name != "" {
		z.tasks = append(z.tasks, Task{Name: name, Since: now})
	}
}

// Answered notes that it has done the first of its tasks, if typ is an answer. It
// reports whether that was reported to take long.
func (z *Process) Answered(typ string, now time.Time) (late bool) {
	switch typ {
	case "ConfigLoaded", "Configured", "StdlibImported", "Failed", "HookDone":
		if len(z.tasks) > 0 {
			late = z.tasks[0].Reported
			z.tasks = z.tasks[1:]
		}
		if len(z.tasks) > 0 {
			z.tasks[0].Since = now
		}
	}
	return late
}

// Idle tells whether it owes no answer.
func (z *Process) Idle() bool { return len(z.tasks) == 0 }

// Stuck gives what it has been at for longer than limit; nil: nothing.
func (z *Process) Stuck(now time.Time, limit time.Duration) *Task {
	if z == nil || limit <= 0 || z.Idle() || now.Sub(z.tasks[0].Since) <= limit {
		return nil
	}
	return &z.tasks[0]
}
