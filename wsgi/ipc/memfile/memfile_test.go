package memfile

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAnUnlinkedFileHasItsNameInProcOnly(t *testing.T) {
	dir := t.TempDir()
	fd, err := unlinked(dir, "gosrv-x", false)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil || filepath.Dir(link) != dir || !Named(link, "gosrv-x") || Named(link, "gosrv-y") {
		t.Errorf("link %q, %v", link, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("it is inherited")
	}
}

func TestNamed(t *testing.T) {
	for link, want := range map[string]bool{
		"/memfd:gosrv-status (deleted)":                  true,
		"/dev/shm/.memfile-gosrv-status-12 (deleted)":    true,
		"/home/x/.memfile-gosrv-status-12":               false, // not ours: it has its name still
		"/memfd:other (deleted)":                         false,
		"/tmp/.memfile-other/gosrv-status-1.x (deleted)": false,
	} {
		if got := Named(link, "gosrv-status"); got != want {
			t.Errorf("Named(%q) = %v", link, got)
		}
	}
}

func TestAFixedFileKeepsItsSize(t *testing.T) {
	fd, err := NewFixed("gosrv-x", 4096)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if unix.Ftruncate(fd, 0) == nil {
		t.Error("it was shrunk")
	}
}
