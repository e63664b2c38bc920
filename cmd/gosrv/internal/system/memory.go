package system

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// restPercent is GOGC of a master that supervises: it allocates a few hundred
// bytes a second and keeps less than a megabyte, but would by Go's own measure
// collect at 4 MB only.
const restPercent = 25

// giveBack returns Go's unused memory to the system. It takes milliseconds, so
// the supervising loop does not wait for it. GOGC is obeyed where it is set.
func giveBack() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(restPercent)
	}
	go func() {
		debug.FreeOSMemory()
		dropPages() // last: the collector reads constants, too
	}()
}

// Bits of /proc/self/pagemap.
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageOfFile  = 1 << 61
)

// dropPages unmaps the code and constants that a start runs through and a master
// that supervises does not; what is used comes back from the file's pages in
// memory. In this process no file is ever unmapped, so nothing else can come to
// lie at the addresses meanwhile. An error means that all stays as it is.
func dropPages() {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return
	}
	defer func() { _ = pagemap.Close() }()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var begin, end uint64
		var rights string
		line := lines.Text()
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &begin, &end, &rights); n < 3 || !strings.Contains(line, " /") {
			continue
		}
		if (rights == "r--p" || rights == "r-xp") && unwritten(pagemap, begin, end) {
			drop(uintptr(begin), uintptr(end-begin))
		}
	}
}

// unwritten tells whether no page has become the process's own, by relocation or
// by a debugger: what was written there would be lost.
func unwritten(pagemap *os.File, begin, end uint64) bool {
	page := uint64(os.Getpagesize())
	pages := make([]byte, (end-begin)/page*8)
	if _, err := pagemap.ReadAt(pages, int64(begin/page*8)); err != nil {
		return false
	}
	for ; len(pages) > 0; pages = pages[8:] {
		switch p := binary.NativeEndian.Uint64(pages); {
		case p&pageSwapped != 0, p&pagePresent != 0 && p&pageOfFile == 0:
			return false
		}
	}
	return true
}

// drop is madvise without a slice, for memory that is none of Go's.
func drop(begin, size uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, size, unix.MADV_DONTNEED)
}
