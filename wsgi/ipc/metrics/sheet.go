// Package metrics is memory that a worker shares with its master: what it counts
// and measures of its requests. Writing costs no system call, no lock and no
// allocation, and what is written outlives the worker.
//
// Each worker's slot (package scoreboard) has a file of its own. The next worker
// of the slot goes on where the one before ended, whatever that died of: counts
// never fall while the master lives, and the sum over all files is the server's.
package metrics

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// FileName begins the names of the files: a reader finds them among the master's
// descriptors in /proc.
const FileName = "gosrv-metrics"

// sheet is what one thread writes. Zeroes are an empty one.
type sheet struct {
	phases   [phases]histogram
	answers  [methods][classes]word
	counters [counters]word
	slow     [slowKept]slowWords
	routes   [routeRoom]routeWords
}

// Writers is how many threads of a worker write, each its own sheet: the main
// one, or those of a pool in turn; and the backup loop.
const Writers = 2

// file is the layout of a slot's memory. All processes run the same binary.
type file struct {
	slot   word // its number, from 1 on: 0 is a file that is not ready
	sheets [Writers]sheet
}

const fileSize = int64(unsafe.Sizeof(file{}))

// Memory is the mapping of one slot's file.
type Memory struct {
	mem []byte
	f   *file
}

// Create makes the file of a slot. The descriptor (of a memfile, CLOEXEC) is the
// caller's, to be sent to the slot's workers.
func Create(slot int) (fd int, err error) {
	fd, err = memfile.NewFixed(FileName, fileSize)
	if err != nil {
		return -1, fmt.Errorf("creating metrics: %w", err)
	}
	m, err := Open(fd)
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	m.f.slot.Store(uint64(slot) + 1)
	return fd, m.Close()
}

// Open maps the file behind fd for a worker. The descriptor may be closed afterwards.
func Open(fd int) (*Memory, error) { return mapped(fd, unix.PROT_READ|unix.PROT_WRITE) }

// View maps the file behind fd for a reader.
func View(fd int) (*Memory, error) { return mapped(fd, unix.PROT_READ) }

func mapped(fd int, protection int) (*Memory, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("opening metrics: %w", err)
	}
	if st.Size != fileSize {
		return nil, fmt.Errorf("opening metrics: %d bytes instead of %d", st.Size, fileSize)
	}
	mem, err := unix.Mmap(fd, 0, int(fileSize), protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping metrics: %w", err)
	}
	return &Memory{mem: mem, f: (*file)(unsafe.Pointer(&mem[0]))}, nil
}

// Close unmaps the memory. No Writer of it may be used afterwards.
func (m *Memory) Close() error { return unix.Munmap(m.mem) }

// Slot is the number of the slot.
func (m *Memory) Slot() int { return int(m.f.slot.Load()) - 1 }

// bump adds to a word that nobody else writes: a plain addition to an aligned
// word will do, where a locked one costs more than all the rest of it.
func bump(w *word, n uint64) { *(*uint64)(unsafe.Pointer(w)) += n }
