package osthread

import (
	"os"
	"testing"
)

func TestThreadsStay(t *testing.T) {
	Keep(20)
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		if len(tasks) < 20 {
			t.Errorf("%d threads", len(tasks))
		}
	}
}
