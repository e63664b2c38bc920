package view

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/wsgi/ipc/memfile"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/ipc/scoreboard"
)

// Source is what one master shares, mapped for reading. It is one goroutine's.
type Source struct {
	pid   int
	board *scoreboard.Board          // nil: not yet there
	files map[string]*metrics.Memory // by number of the descriptor
}

// Open begins to read from the master with that process id; status.ErrNoMaster if
// there is none.
func Open(pid int) (*Source, error) {
	if _, err := status.Read(pid); err != nil {
		return nil, err
	}
	return &Source{pid: pid, files: map[string]*metrics.Memory{}}, nil
}

// Close gives the memory back.
func (s *Source) Close() {
	if s.board != nil {
		_ = s.board.Close()
	}
	for _, m := range s.files {
		_ = m.Close()
	}
	s.board, s.files = nil, nil
}

// look maps what has come since the last look. Files stay while the master lives.
func (s *Source) look() error {
	dir := filepath.Join("/proc", strconv.Itoa(s.pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("process %d: %w", s.pid, status.ErrNoMaster)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		link, err := os.Readlink(path)
		switch {
		case err != nil:
		case s.board == nil && memfile.Named(link, scoreboard.FileName):
			s.board, err = mapped(path, scoreboard.View)
		case s.files[e.Name()] == nil && memfile.Named(link, metrics.FileName):
			s.files[e.Name()], err = mapped(path, metrics.View)
			if err != nil {
				delete(s.files, e.Name())
			}
		}
		if err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("reading process %d: %w", s.pid, err)
		}
	}
	return nil
}

// mapped opens a descriptor of the master's and maps what is behind it.
func mapped[T any](path string, view func(fd int) (*T, error)) (*T, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	defer unix.Close(fd)
	return view(fd)
}

// Totals sums up what all workers have counted.
func (s *Source) Totals() (t metrics.Totals, err error) {
	if err := s.look(); err != nil {
		return t, err
	}
	for _, m := range s.files {
		t.Add(m)
	}
	t.Settle(Monotonic())
	return t, nil
}

// Monotonic is the time of the scoreboard, CLOCK_MONOTONIC ns.
func Monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return ts.Nano()
}
