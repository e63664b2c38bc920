package master

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

func TestMemoryIsGivenBackOnceAllWorkersServe(t *testing.T) {
	w := newWorld(t, nil)
	w.bootHangs = true
	w.serve()
	booting := w.alive()
	booting[0].ch.say(workerctl.WorkerReady{})
	w.run()
	if w.gaveBack != 0 {
		t.Fatalf("given back %d times while a worker boots", w.gaveBack)
	}
	booting[1].ch.say(workerctl.WorkerReady{})
	w.run()
	w.pass(time.Minute)
	if w.gaveBack != 1 {
		t.Fatalf("given back %d times after the start, want once", w.gaveBack)
	}
	w.bootHangs = false
	w.signal(unix.SIGHUP)
	w.run()
	w.pass(time.Minute)
	if w.gaveBack != 2 {
		t.Errorf("given back %d times after a reload, want twice", w.gaveBack)
	}
}
