package server

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheSameRefusalIsSaidOnceInAWhile(t *testing.T) {
	var r refusal
	for _, step := range []struct {
		e    unix.Errno
		at   int64
		want bool
	}{
		{unix.EMFILE, 1, true}, {unix.EMFILE, 2, false}, {unix.EPERM, 3, true}, {unix.EPERM, 4, false},
		{unix.EPERM, 3 + refusalPause, true}, {unix.EPERM, 4 + refusalPause, false},
	} {
		if got := r.due(step.e, step.at); got != step.want {
			t.Errorf("%v at %d: %v", step.e, step.at, got)
		}
	}
}
