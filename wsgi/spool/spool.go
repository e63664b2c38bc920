// Package spool keeps request bodies in files without a name: in the first directory that
// takes one, looked for as Python's tempfile does, or in memory where none does.
package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// MemoryRoom is how many bytes the bodies of a worker may take in memory, all together, if no
// directory takes them.
const MemoryRoom = 128 << 20

// Errors of memory; those of a directory are the system's.
var (
	ErrTooLarge = errors.New("larger than all the memory there is for bodies")
	ErrFull     = errors.New("other bodies fill the memory there is for them")
)

// Store opens such files. It belongs to one thread at a time.
type Store struct {
	dirs []Dir
	at   *Dir // nil: in memory
	room int64
	used int64             // of room
	held map[int]*inMemory // by descriptor
}

// Dir is a directory that may be asked, and what it is called in messages.
type Dir struct{ path, source string }

// inMemory is one body of those in memory.
type inMemory struct{ size, reserved int64 }

// Dirs lists where to look, in order: named (a setting, "" if it was not given), the variables
// of tempfile, and its places.
func Dirs(named string, getenv func(string) (string, bool)) []Dir {
	var list []Dir
	add := func(path, source string) {
		if path == "" {
			return
		}
		if whole, err := filepath.Abs(path); err == nil {
			path = whole // the application may change its directory
		}
		if !slices.ContainsFunc(list, func(d Dir) bool { return d.path == path }) {
			list = append(list, Dir{path, source})
		}
	}
	add(named, "tmp_upload_dir")
	for _, name := range []string{"TMPDIR", "TEMP", "TMP"} {
		value, _ := getenv(name)
		add(value, name)
	}
	for _, path := range []string{"/tmp", "/var/tmp", "/usr/tmp"} {
		add(path, "")
	}
	add(".", "the working directory")
	return list
}

func (d Dir) String() string {
	if d.source == "" {
		return d.path
	}
	return d.path + " (" + d.source + ")"
}

// New makes a Store on the first of dirs in which this process may write. The notice, if there
// is one, says which others were refused.
func New(dirs []Dir) (s *Store, notice string) {
	s = &Store{dirs: dirs, room: MemoryRoom, held: map[int]*inMemory{}}
	return s, s.choose()
}

// choose tries the directories, and gives what is to be said of it.
func (s *Store) choose() (notice string) {
	var refused []string
	for i := range s.dirs {
		err := s.dirs[i].try()
		if err == nil {
			s.at = &s.dirs[i]
			break
		}
		refused = append(refused, fmt.Sprintf("%v: %v", s.dirs[i], err))
		s.at = nil
	}
	switch {
	case s.at == nil:
		return fmt.Sprintf("No directory takes large request bodies, as user %d: %s. They stay in memory, at most %d MiB a worker: set tmp_upload_dir or TMPDIR",
			os.Geteuid(), strings.Join(refused, "; "), s.room>>20)
	case len(refused) > 0:
		return fmt.Sprintf("Large request bodies go to %v; refused to user %d: %s", *s.at, os.Geteuid(), strings.Join(refused, "; "))
	}
	return ""
}

// try tells whether a file can be made there and written.
func (d Dir) try() error {
	fd, err := d.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Pwrite(fd, []byte{0}, 0)
	return err
}

// open makes a file without a name.
func (d Dir) open() (int, error) {
	fd, err := unix.Open(d.path, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return fd, nil
	}
	// Not every file system knows O_TMPFILE (overlayfs, NFS).
	f, err := os.CreateTemp(d.path, "gosrv-body-")
	var failed *os.PathError
	if errors.As(err, &failed) {
		return -1, failed.Err
	} else if err != nil {
		return -1, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return -1, err
	}
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

// Open makes a file for a body of so many bytes; -1: nobody knows. The descriptor is the
// caller's, to be given to Close. A directory that takes files no longer is replaced, and the
// notice says so.
func (s *Store) Open(want int64) (fd int, notice string, err error) {
	if s.at != nil {
		fd, err = s.at.open()
		if err == nil || err == unix.EMFILE || err == unix.ENFILE {
			return fd, "", err
		}
		notice = s.choose()
		if s.at != nil {
			fd, err = s.at.open()
			return fd, notice, err
		}
	}
	want = max(want, 0)
	if err := s.reserve(want, want); err != nil {
		return -1, notice, err
	}
	fd, err = memfile.New("gosrv-body")
	if err != nil {
		s.used -= want
		return -1, notice, err
	}
	s.held[fd] = &inMemory{reserved: want}
	return fd, notice, nil
}

// reserve takes room in memory for a body that is to have size bytes.
func (s *Store) reserve(more, size int64) error {
	if size > s.room {
		return ErrTooLarge
	}
	if s.used+more > s.room {
		return ErrFull
	}
	s.used += more
	return nil
}

// Write appends p to the file.
func (s *Store) Write(fd int, p []byte) error {
	if m := s.held[fd]; m != nil {
		m.size += int64(len(p))
		if more := m.size - m.reserved; more > 0 {
			if err := s.reserve(more, m.size); err != nil {
				return err
			}
			m.reserved = m.size
		}
	}
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = unix.EIO
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// Close drops a body.
func (s *Store) Close(fd int) {
	if m := s.held[fd]; m != nil {
		s.used -= m.reserved
		delete(s.held, fd)
	}
	_ = unix.Close(fd)
}

// Place is where files are made now, for messages.
func (s *Store) Place() string {
	if s.at == nil {
		return "memory"
	}
	return s.at.path
}

// Status is the answer to a request whose body met err: 413 where it can never be taken, 503
// where it may be another time.
func Status(err error) int {
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, unix.EFBIG):
		return 413
	case errors.Is(err, unix.EIO):
		return 500
	}
	return 503
}
