// Package logs opens what the settings about logs name, opens files again after
// a rotation, and routes the master's own lines and metrics.
package logs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// File is one log destination. The descriptor is O_APPEND, so that the lines
// of several processes do not overwrite each other, and CLOEXEC.
type File struct {
	path string // "" for a standard stream
	fd   int
}

// Open opens a log setting: "-" is the standard stream given (borrowed, never
// closed), anything else a file that is created if need be.
func Open(setting string, standard int) (*File, error) {
	if setting == "-" {
		return &File{fd: standard}, nil
	}
	fd, err := open(setting)
	if err != nil {
		return nil, err
	}
	return &File{path: setting, fd: fd}, nil
}

// FD is the current descriptor; File keeps owning it.
func (f *File) FD() int { return f.fd }

// IsFile tells a file from a standard stream.
func (f *File) IsFile() bool { return f.path != "" }

// Reopen opens the path again. use is told the new descriptor before the old
// one is closed, so that nobody writes to a closed one. On error the old file
// stays in use. A standard stream is left alone.
func (f *File) Reopen(use func(fd int)) error {
	if !f.IsFile() {
		return nil
	}
	fd, err := open(f.path)
	if err != nil {
		return err
	}
	old := f.fd
	f.fd = fd
	use(fd)
	_ = unix.Close(old)
	return nil
}

// Close closes the file; a standard stream stays open.
func (f *File) Close() {
	if f.IsFile() {
		_ = unix.Close(f.fd)
	}
}

// Chown gives the file to the workers' user, so that they can reopen it too.
func (f *File) Chown(uid, gid int) error {
	if !f.IsFile() {
		return nil
	}
	if err := unix.Fchown(f.fd, uid, gid); err != nil {
		return fmt.Errorf("giving %s to uid %d: %w", f.path, uid, err)
	}
	return nil
}

func open(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return -1, fmt.Errorf("'%s' isn't writable [%v]", path, err)
	}
	return fd, nil
}
