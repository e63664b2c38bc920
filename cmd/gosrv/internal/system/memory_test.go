package system

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resident tells how many pages of memory are mapped with anything behind them.
func resident(t *testing.T, memory []byte) (n int) {
	t.Helper()
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pagemap.Close() }()
	page := os.Getpagesize()
	for i := 0; i < len(memory); i += page {
		var entry [8]byte
		if _, err := pagemap.ReadAt(entry[:], int64(uintptr(unsafe.Pointer(&memory[i])))/int64(page)*8); err != nil {
			t.Fatal(err)
		}
		if entry[7]&0x80 != 0 {
			n++
		}
	}
	return n
}

func mapFile(t *testing.T, rights, size int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "constants")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	memory, err := unix.Mmap(int(f.Fd()), 0, size, rights, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
	return memory
}

func TestPagesOfFilesAreDroppedUnlessWritten(t *testing.T) {
	size := 4 * os.Getpagesize()
	constants := mapFile(t, unix.PROT_READ, size)
	relocated := mapFile(t, unix.PROT_READ|unix.PROT_WRITE, size)
	relocated[1] = 7
	if err := unix.Mprotect(relocated, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	if constants[0] != 0 || resident(t, constants) == 0 {
		t.Fatal("a page that was read is not there")
	}
	dropPages()
	if n := resident(t, constants); n != 0 {
		t.Errorf("%d pages are still mapped", n)
	}
	if relocated[1] != 7 {
		t.Error("what was written is lost")
	}
	if constants[0] != 0 {
		t.Error("a page did not come back")
	}
}

// One function that is called must not map all that lies beside it in the page cache.
func TestWhatComesBackIsNoMoreThanAWindow(t *testing.T) {
	constants := mapFile(t, unix.PROT_READ, 2<<20)
	for i := 0; i < len(constants); i += os.Getpagesize() {
		if constants[i] != 0 {
			t.Fatal("a file of zeros holds something else")
		}
	}
	dropPages()
	if constants[1<<20] != 0 {
		t.Error("a page did not come back")
	}
	if n, most := resident(t, constants), window/os.Getpagesize(); n > most {
		t.Errorf("%d pages came with one, more than %d", n, most)
	}
}
