package stdlib

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

const (
	// kept is how many applications are remembered: each release of one may lie in a
	// folder of its own.
	kept = 64
	// largest is what a file may hold, in bytes; a list has some hundred names.
	largest = 64 << 10
	suffix  = ".json"
)

// name is what a module of the standard library may be called. What another name
// would import is nobody's to say here.
var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)

// Cache remembers names from one start to the next, in a folder of the user's: a
// file for each application. "" remembers nothing. It is a convenience: whatever is
// wrong with it, there is none.
type Cache struct{ Dir string }

// UserCache is in $XDG_CACHE_HOME or ~/.cache.
func UserCache() Cache {
	dir, err := os.UserCacheDir()
	if err != nil {
		return Cache{}
	}
	return Cache{filepath.Join(dir, "gosrv")}
}

func (c Cache) path(app string) string {
	sum := sha256.Sum256([]byte(app))
	return filepath.Join(c.Dir, "stdlib-"+hex.EncodeToString(sum[:12])+suffix)
}

// Load gives what is known of an application; nil: nothing.
func (c Cache) Load(app string) []string {
	if c.Dir == "" || !owned(c.Dir) {
		return nil
	}
	file, err := openOwned(c.path(app))
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var names []string
	if json.NewDecoder(io.LimitReader(file, largest)).Decode(&names) != nil || slices.ContainsFunc(names, func(s string) bool { return !name.MatchString(s) }) {
		return nil
	}
	return names
}

// Save remembers names. It writes beside the file and puts that in its place, since
// another server may be reading.
func (c Cache) Save(app string, names []string) {
	text, err := json.Marshal(names)
	if err != nil || len(text) > largest || c.Dir == "" || !c.make() {
		return
	}
	file, err := os.CreateTemp(c.Dir, "new-*"+suffix) // 0600
	if err != nil {
		return
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), c.path(app))
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	c.prune()
}

// Remove forgets an application.
func (c Cache) Remove(app string) {
	if c.Dir != "" && owned(c.Dir) {
		_ = os.Remove(c.path(app))
	}
}

// make makes the folder, in one that is the user's: root with the HOME of somebody
// else (sudo) leaves nothing there.
func (c Cache) make() bool {
	parent := filepath.Dir(c.Dir)
	if _, err := os.Lstat(parent); errors.Is(err, fs.ErrNotExist) && owned(filepath.Dir(parent)) {
		_ = os.Mkdir(parent, 0o700)
	}
	if owned(parent) {
		_ = os.Mkdir(c.Dir, 0o700)
	}
	return owned(c.Dir)
}

// prune removes the oldest files.
func (c Cache) prune() {
	entries, err := os.ReadDir(c.Dir)
	if err != nil || len(entries) <= kept {
		return
	}
	age := func(e fs.DirEntry) int64 {
		info, err := e.Info()
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return filepath.Ext(e.Name()) != suffix })
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return int(min(1, max(-1, age(b)-age(a)))) })
	for _, e := range entries[min(kept, len(entries)):] {
		_ = os.Remove(filepath.Join(c.Dir, e.Name()))
	}
}
