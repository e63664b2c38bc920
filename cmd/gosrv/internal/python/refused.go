package python

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// refused gives an error if path is there, as far as one can see, and this user may not use it.
func (c candidate) refused(path string) error {
	if path == "" {
		return nil
	}
	at := barrier(path)
	if at == "" {
		return nil
	}
	way := ""
	if at != c.path {
		way = " at " + at
	}
	if path != c.path {
		way = fmt.Sprintf(" at %s, in the way to its base Python in %s", at, path)
	}
	return &Error{
		fmt.Sprintf("%s: user %d may not use %s: permission denied%s", c.source, os.Geteuid(), c.path, way),
		"let that user read it (chmod o+rx on each folder of the way), or pass --python with a Python that it may use",
	}
}

// barrier is the folder on the way to path that this user may not search, or the file itself
// if it may not be executed; "" if there is no such thing. Symlinks are followed as far as they can be read.
func barrier(path string) string {
	for range 40 { // as the kernel does
		at, err := "/", error(nil)
		for rest := filepath.Clean(path); at != rest && err == nil; {
			if unix.Faccessat(unix.AT_FDCWD, at, unix.X_OK, unix.AT_EACCESS) == unix.EACCES {
				return at
			}
			at = nextPart(at, rest)
			_, err = os.Lstat(at)
		}
		if err != nil {
			return ""
		}
		next, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS); errors.Is(err, fs.ErrPermission) {
		return path
	}
	return ""
}

// nextPart is at, which begins rest, and one name more of it.
func nextPart(at, rest string) string {
	end := len(at) + 1
	if at == "/" {
		end = 1
	}
	for end < len(rest) && rest[end] != '/' {
		end++
	}
	return rest[:end]
}
