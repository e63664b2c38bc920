package logs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, fd int, s string) {
	t.Helper()
	if _, err := unix.Write(fd, []byte(s)); err != nil {
		t.Fatal(err)
	}
}

func TestReopenFollowsRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := Open(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write(t, f.FD(), "one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, f.FD(), "two")
	used := -1
	if err := f.Reopen(func(fd int) { used = fd; write(t, fd, "three") }); err != nil || used != f.FD() {
		t.Fatalf("%v, told %d, is %d", err, used, f.FD())
	}
	write(t, f.FD(), "four")
	for name, want := range map[string]string{path + ".1": "onetwo", path: "threefour"} {
		if got, _ := os.ReadFile(name); string(got) != want {
			t.Errorf("%s: %q, want %q", filepath.Base(name), got, want)
		}
	}
}

func TestFailedReopenKeepsTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := Open(filepath.Join(dir, "log"), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(func(int) { t.Error("told of a descriptor") }); err == nil {
		t.Error("no error")
	}
	write(t, f.FD(), "still open")
}

func TestStandardStreamIsNeverClosed(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	f, err := Open("-", int(w.Fd()))
	if err != nil || f.IsFile() {
		t.Fatal(err)
	}
	if err := f.Reopen(func(int) { t.Error("reopened") }); err != nil {
		t.Error(err)
	}
	f.Close()
	write(t, f.FD(), "x")
}

func TestUnwritableLogIsNamed(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir, 2); err == nil || err.Error() != "'"+dir+"' isn't writable [is a directory]" {
		t.Error(err)
	}
}
