package stdlib

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func newCache(t *testing.T) Cache {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	return Cache{filepath.Join(home, "cache", "gosrv")}
}

func TestCacheRemembersUntilItIsToldToForget(t *testing.T) {
	c, want := newCache(t), []string{"email", "email.mime.text"}
	if got := c.Load("a"); got != nil {
		t.Errorf("%v before anything was saved", got)
	}
	c.Save("a", want)
	if got := c.Load("a"); !slices.Equal(got, want) || c.Load("b") != nil {
		t.Errorf("%v, and %v for another application", got, c.Load("b"))
	}
	if c.Remove("a"); c.Load("a") != nil {
		t.Error("it is still there")
	}
	none := Cache{}
	if none.Save("a", want); none.Load("a") != nil {
		t.Error("a cache that is nowhere remembers")
	}
}

// What others could have written, or have made us read, is not read.
func TestCacheTrustsNobodyElse(t *testing.T) {
	for name, spoil := range map[string]func(c Cache, file string) error{
		"a file that others may write":   func(_ Cache, file string) error { return os.Chmod(file, 0o666) },
		"a folder that others may write": func(c Cache, _ string) error { return os.Chmod(c.Dir, 0o777) },
		"a link": func(c Cache, file string) error {
			return errorsOf(os.Rename(file, file+".real"), os.Symlink(file+".real", file))
		},
		"another user's file": func(_ Cache, file string) error { return os.Chown(file, 12345, -1) },
		"no list":             func(_ Cache, file string) error { return os.WriteFile(file, []byte(`{"os": 1}`), 0o600) },
		"no module's name":    func(_ Cache, file string) error { return os.WriteFile(file, []byte(`["os; evil"]`), 0o600) },
		"a named pipe's kind": func(_ Cache, file string) error { return errorsOf(os.Remove(file), os.Mkdir(file, 0o700)) },
	} {
		if name == "another user's file" && os.Geteuid() != 0 {
			continue
		}
		c := newCache(t)
		c.Save("a", []string{"email"})
		if c.Load("a") == nil {
			t.Fatal("nothing was saved")
		}
		if err := spoil(c, c.path("a")); err != nil {
			t.Fatal(err)
		}
		if got := c.Load("a"); got != nil {
			t.Errorf("%s was read: %v", name, got)
		}
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A folder of somebody else's, as HOME is under sudo, gets nothing.
func TestCacheMakesNothingInAnothersFolder(t *testing.T) {
	c := newCache(t)
	parent := filepath.Dir(c.Dir)
	if err := errorsOf(os.Mkdir(parent, 0o700), os.Chmod(parent, 0o777)); err != nil {
		t.Fatal(err)
	}
	c.Save("a", []string{"email"})
	if _, err := os.Lstat(c.Dir); err == nil {
		t.Error("a folder was made where others may put another in its place")
	}
}

func TestCacheKeepsTheNewest(t *testing.T) {
	c := newCache(t)
	for i := range kept + 9 {
		c.Save(fmt.Sprint(i), []string{"email"})
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil || len(entries) > kept || c.Load(fmt.Sprint(kept+8)) == nil {
		t.Errorf("%d files, %v", len(entries), err)
	}
}
