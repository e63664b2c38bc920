// Package memfile makes files without a name: memory that processes share by passing a
// descriptor. Where the machine refuses memfd_create (a seccomp filter, a kernel before
// 3.17), an unlinked file in a temporary directory takes its place.
package memfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// flags of memfd_create. noExec must be given where vm.memfd_noexec is 2; it forbids execve
// only, and a library is mapped.
const (
	sealable = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	noExec   = sealable | unix.MFD_NOEXEC_SEAL
)

// dirs are where an unlinked file may lie, memory first: what is written there often must
// not wait for a disk.
func dirs() []string { return []string{"/dev/shm", "/run/shm", os.TempDir(), "/tmp", "/var/tmp"} }

// New makes an empty file that is read, written and mapped. The descriptor (CLOEXEC) is the
// caller's; name shows in /proc.
func New(name string) (int, error) { return create(name, false) }

// NewCode is New for a library: it may be mapped for execution.
func NewCode(name string) (int, error) { return create(name, true) }

// NewFixed is New with a size in bytes that nobody changes: shrinking it would be SIGBUS for
// whoever has it mapped. An unlinked file is not guarded against that.
func NewFixed(name string, size int64) (int, error) {
	fd, err := create(name, false)
	if err != nil {
		return -1, err
	}
	if err = unix.Ftruncate(fd, size); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err == unix.EINVAL || err == unix.EPERM { // a file: it takes no seals, and its folder may be full
		err = unix.Fallocate(fd, 0, 0, size)
	}
	if err != nil && err != unix.EOPNOTSUPP {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("sizing %s: %w", name, err)
	}
	return fd, nil
}

// Named tells whether link, a descriptor's target in /proc, is a file of this package whose
// name begins so.
func Named(link, name string) bool {
	if strings.HasPrefix(link, "/memfd:"+name) {
		return true
	}
	file, unlinked := strings.CutSuffix(link, " (deleted)")
	return unlinked && strings.HasPrefix(filepath.Base(file), mark+name)
}

// mark begins the names of files for the moment they have one.
const mark = ".memfile-"

func create(name string, code bool) (int, error) {
	fd, refusal := unix.MemfdCreate(name, sealable)
	if refusal == unix.EACCES {
		fd, refusal = unix.MemfdCreate(name, noExec)
	}
	if refusal == nil {
		return fd, nil
	}
	if refusal == unix.EMFILE || refusal == unix.ENFILE {
		return -1, fmt.Errorf("making memory file %s: %w", name, refusal) // no kind of file, then
	}
	var tried []string
	for _, dir := range dirs() {
		fd, err := unlinked(dir, name, code)
		if err == nil {
			return fd, nil
		}
		tried = append(tried, err.Error())
	}
	return -1, fmt.Errorf("making memory file %s: memfd_create: %w (Linux %s), and no file can take its place: %s",
		name, refusal, release(), strings.Join(tried, "; "))
}

// unlinked makes a file in dir and takes its name away.
func unlinked(dir, name string, code bool) (int, error) {
	file, err := os.CreateTemp(dir, mark+name+"-*")
	if err != nil {
		return -1, err
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return -1, err
	}
	if code && forbidsCode(int(file.Fd())) {
		return -1, fmt.Errorf("%s is mounted noexec", dir)
	}
	return unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

// noexecMount is ST_NOEXEC of statvfs(3).
const noexecMount = 8

func forbidsCode(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Flags&noexecMount != 0
}

// release is the kernel's own version.
func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "of an unknown version"
	}
	return unix.ByteSliceToString(u.Release[:])
}
