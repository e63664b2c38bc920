package stdlib

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openOwned opens a file that nobody else can have written.
func openOwned(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	var status unix.Stat_t
	if err := unix.Fstat(fd, &status); err != nil || status.Mode&unix.S_IFMT != unix.S_IFREG || !exclusive(&status) {
		_ = file.Close()
		return nil, fs.ErrPermission
	}
	return file, nil
}

// owned tells whether path is a folder in which nobody else can make files.
func owned(path string) bool {
	var status unix.Stat_t
	return unix.Lstat(path, &status) == nil && status.Mode&unix.S_IFMT == unix.S_IFDIR && exclusive(&status)
}

// exclusive tells whether only this user may write.
func exclusive(status *unix.Stat_t) bool {
	return int(status.Uid) == os.Geteuid() && status.Mode&0o022 == 0
}
