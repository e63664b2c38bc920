package monitor

import (
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

//go:embed built
var built embed.FS

// errNotCarried is an error that only those meet who build with go build alone.
var errNotCarried = errors.New("this gosrv was built without gosrv-monitor, which shows metrics; make builds both")

// Carried tells whether there is something to run, with an error that says so if not.
func Carried() error {
	file, err := built.Open("built/gosrv-monitor.gz")
	if err != nil {
		return errNotCarried
	}
	return file.Close()
}

// Become executes gosrv-monitor in the place of this process, with args behind
// its name. It returns only if that cannot be.
func Become(name string, args ...string) error {
	file, err := unpacked()
	if err != nil {
		return err
	}
	argv := append([]string{name}, args...)
	err = unix.Exec(fmt.Sprintf("/proc/self/fd/%d", file), argv, os.Environ())
	if err == unix.EACCES { // vm.memfd_noexec
		err = fromFolder(file, argv)
	}
	return fmt.Errorf("starting gosrv-monitor: %w", err)
}

// unpacked gives a memory file with the program in it.
func unpacked() (int, error) {
	packed, err := built.Open("built/gosrv-monitor.gz")
	if err != nil {
		return -1, errNotCarried
	}
	defer packed.Close()
	program, err := gzip.NewReader(packed)
	if err != nil {
		return -1, fmt.Errorf("unpacking gosrv-monitor: %w", err)
	}
	fd, err := memfile.NewCode("gosrv-monitor")
	if err != nil {
		return -1, err
	}
	if _, err := io.Copy(memfile.Writer(fd), program); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("unpacking gosrv-monitor: %w", err)
	}
	return fd, nil
}

// fromFolder executes the program from a file that has lost its name: this
// machine executes no memory.
func fromFolder(fd int, argv []string) error {
	file, err := os.CreateTemp("", "gosrv-monitor-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // where something goes wrong
	_, err = io.Copy(file, io.NewSectionReader(os.NewFile(uintptr(fd), "gosrv-monitor"), 0, 1<<40))
	if err == nil {
		err = file.Chmod(0o700)
	}
	if closed := file.Close(); err == nil { // a file that is open for writing is not executed
		err = closed
	}
	if err != nil {
		return err
	}
	only, err := unix.Open(file.Name(), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	return unix.Exec(fmt.Sprintf("/proc/self/fd/%d", only), argv, os.Environ())
}
