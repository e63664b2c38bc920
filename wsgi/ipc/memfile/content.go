package memfile

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Writer is a descriptor as an io.Writer, from its offset on. It stays its owner's.
type Writer int

// Write implements io.Writer.
func (w Writer) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := unix.Write(int(w), p[n:])
		if err != nil && err != unix.EINTR {
			return n, err
		}
		n += max(m, 0)
	}
	return n, nil
}

// Written puts data into a memory file that create makes (New, NewCode), with its offset at
// the start. The descriptor is the caller's.
func Written(create func(name string) (int, error), name string, data []byte) (int, error) {
	fd, err := create(name)
	if err != nil {
		return -1, err
	}
	for off := 0; off < len(data); {
		n, err := unix.Pwrite(fd, data[off:], int64(off))
		if err != nil && err != unix.EINTR {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("filling memory file: %w", err)
		}
		off += max(n, 0)
	}
	return fd, nil
}

// Content is what a memory file holds, at most so many bytes. The descriptor stays its
// owner's; its offset, which several processes may share, does not matter.
func Content(fd int, most int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(reader(fd), 0, most))
}

// reader is pread(2) on a borrowed descriptor.
type reader int

// ReadAt implements io.ReaderAt.
func (r reader) ReadAt(b []byte, off int64) (int, error) {
	n, err := unix.Pread(int(r), b, off)
	if err != nil {
		return 0, os.NewSyscallError("pread", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
