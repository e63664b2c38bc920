package pyshim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"gosrv/wsgi/ipc/workerctl"
)

func TestBundleHoldsBootAndModules(t *testing.T) {
	bundle, err := Bundle()
	if err != nil {
		t.Fatal(err)
	}
	boot, rest, found := bytes.Cut(bundle, []byte{0})
	if !found || !bytes.Contains(boot, []byte("gosrv_shim")) {
		t.Fatal("the bundle does not begin with boot.py and a NUL")
	}
	var modules map[string]string
	if err := json.Unmarshal(rest, &modules); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gosrv_shim/__init__.py", "gosrv_shim/zygote.py", "gosrv_shim/worker.py", "gosrv_shim/process/__init__.py", "gosrv_shim/process/channel.py", "gunicorn/__init__.py", "gunicorn/app/__init__.py"} {
		if _, ok := modules[name]; !ok {
			t.Errorf("module %s is missing", name)
		}
	}
	if _, ok := modules["gosrv_shim/boot.py"]; ok {
		t.Error("boot.py is also a module: it would run twice")
	}
}

func TestSignalForStacksIsTheMasters(t *testing.T) {
	text, err := os.ReadFile("gosrv_shim/process/stacks.py")
	if want := fmt.Sprintf("\nSIGNAL = %d\n", workerctl.StackSignal); err != nil || !strings.Contains(string(text), want) {
		t.Errorf("stacks.py lacks %q, %v", want, err)
	}
}
