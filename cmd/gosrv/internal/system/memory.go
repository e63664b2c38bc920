package system

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
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
		runtime.GC() // what a sync.Pool keeps, half a megabyte, goes with the second collection
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
		if rights != "r--p" && rights != "r-xp" {
			continue
		}
		if pages := pagesOf(pagemap, begin, end); unwritten(pages) {
			confine(pages, begin, end)
			advise(begin, end-begin, unix.MADV_DONTNEED)
		}
	}
}

// window is how much one fault maps at most, in bytes: as much as Linux mapped before 6.18.
const window = 64 << 10

// confine makes areas of that size out of what a start has touched: process_code_pages.c
// says why, and how.
func confine(pages []uint64, begin, end uint64) {
	page := uint64(os.Getpagesize())
	for at := (begin + window - 1) / window * window; at+window <= end; at += 2 * window {
		part := pages[(at-begin)/page:][:window/page]
		if slices.ContainsFunc(part, func(p uint64) bool { return p&pagePresent != 0 }) {
			advise(at, window, unix.MADV_DONTDUMP)
		}
	}
}

// pagesOf is the kernel's word on each page from begin to end; nil: it says nothing.
func pagesOf(pagemap *os.File, begin, end uint64) []uint64 {
	page := uint64(os.Getpagesize())
	text := make([]byte, (end-begin)/page*8)
	if _, err := pagemap.ReadAt(text, int64(begin/page*8)); err != nil {
		return nil
	}
	pages := make([]uint64, len(text)/8)
	for i := range pages {
		pages[i] = binary.NativeEndian.Uint64(text[8*i:])
	}
	return pages
}

// unwritten tells whether no page has become the process's own, by relocation or
// by a debugger: what was written there would be lost.
func unwritten(pages []uint64) bool {
	own := func(p uint64) bool { return p&pageSwapped != 0 || p&pagePresent != 0 && p&pageOfFile == 0 }
	return pages != nil && !slices.ContainsFunc(pages, own)
}

// advise is madvise without a slice, for memory that is none of Go's.
func advise(begin, size uint64, advice uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(begin), uintptr(size), advice)
}
