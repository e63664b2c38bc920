package pidfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestCreateAndRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p")
	if err := Create(path, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if read(path) != os.Getpid() {
		t.Error("wrong pid")
	}
	if err := Create(path, os.Getpid()); err != nil {
		t.Errorf("writing our own again: %v", err)
	}
	Remove(path, 1)
	if read(path) == 0 {
		t.Error("removed although it names us")
	}
	Remove(path, os.Getpid())
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("still there")
	}
}

func TestLivingOwnerIsRespectedStaleFileIsNot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p")
	for content, wantErr := range map[string]string{
		"1\n":         "Already running on PID 1 (or pid file '" + path + "' is stale)",
		"999999999\n": "", "junk": "", "": "", "0\n": "", "-1\n": "",
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		err := Create(path, os.Getpid())
		if (err == nil) != (wantErr == "") || err != nil && err.Error() != wantErr {
			t.Errorf("%q: %v, want %q", content, err, wantErr)
		}
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 {
		t.Errorf("temporary files left: %v", left)
	}
}

func TestMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "no")
	if err := Create(filepath.Join(dir, "p"), 1); err == nil || err.Error() != dir+" doesn't exist. Can't create pidfile." {
		t.Error(err)
	}
}
