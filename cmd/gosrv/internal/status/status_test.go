package status

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestWhatIsPublishedCanBeReadByPid(t *testing.T) {
	b, err := NewBoard()
	if err != nil {
		t.Fatal(err)
	}
	s := Status{PID: os.Getpid(), Version: "V", App: "a:b", Phase: Serving, Generation: 2, Workers: 3, Reloads: 4}
	for range 2 {
		if err := b.Publish(s); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(os.Getpid()); err != nil || got != s {
			t.Errorf("read %+v, %v", got, err)
		}
		s.Generation, s.App = 3, "" // a shorter text must not leave pieces of the longer one
	}
	s.ReloadError = strings.Repeat("long\x01\xff", 5000) + "the reason"
	if err := b.Publish(s); err != nil {
		t.Fatal(err)
	}
	got, err := Read(os.Getpid())
	if err != nil || !strings.HasSuffix(got.ReloadError, "the reason") {
		t.Errorf("read %q, %v", got.ReloadError, err)
	}
	var pids []int
	for _, m := range Masters() {
		pids = append(pids, m.PID)
	}
	if !reflect.DeepEqual(pids, []int{os.Getpid()}) && len(pids) < 2 {
		t.Errorf("masters %v", pids)
	}
}

func TestWhoIsNoMaster(t *testing.T) {
	for _, pid := range []int{os.Getppid(), 1 << 30} {
		if _, err := Read(pid); !errors.Is(err, ErrNoMaster) {
			t.Errorf("%d: %v", pid, err)
		}
	}
}
