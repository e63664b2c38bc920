package master

import (
	"strings"
	"testing"

	"gosrv/wsgi/ipc/workerctl"
)

func TestWhatAllWorkersSayIsLoggedOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.bootHangs = true
	w.serve()
	for _, worker := range w.alive() {
		worker.ch.say(workerctl.WorkerReady{Notice: "bodies lie in memory"})
		w.run()
	}
	if got := strings.Count(w.lines(), "[WARNING] bodies lie in memory"); got != 1 {
		t.Errorf("logged %d times, want once:\n%s", got, w.lines())
	}
}
