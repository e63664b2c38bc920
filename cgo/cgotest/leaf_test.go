package cgotest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A frame of Go's under a switched stack is the end of Go, some time later: who breaks the rule is to be seen at once.
func TestPythonInsideALeafCallIsTheEnd(t *testing.T) {
	if os.Getenv("BREAK_THE_LEAF_RULE") != "" {
		BreakLeafRule()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "BREAK_THE_LEAF_RULE=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "gosrv: Python is entered while Go is entered on this stack") {
		t.Errorf("%v: %.300s", err, out)
	}
}
