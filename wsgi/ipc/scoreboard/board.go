// Package scoreboard is memory shared by the master and its workers that says
// what each worker does now. Writing costs no system call and no allocation.
//
// A slot has one writer, the worker it belongs to, and any number of readers.
// Every field is its own atomic word, so counters need no order. What must be
// seen together (start time, method and path of the running request) is
// guarded by a sequence number, odd while the writer is at it.
package scoreboard

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// SlotSize is the size of one worker's slot in bytes.
const SlotSize = 256

// textSize bounds method and path together; a longer path is cut.
const textSize = 144

// State is what a worker does, as it says itself.
type State uint32

// States of a worker.
const (
	Free     State = iota // nobody uses the slot
	Booting               // forked, not ready
	Idle                  // ready, no request runs
	Busy                  // the application runs
	Draining              // finishes what it has
)

var stateNames = [...]string{"free", "booting", "idle", "busy", "draining"}

// String is the state's name in lower case.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint32(s))
}

// ConnectionState is what an open connection is at.
type ConnectionState int

// States of a connection.
const (
	ConnectionIdle      ConnectionState = iota // between two requests, or before the first
	ConnectionReading                          // a request comes in
	ConnectionServing                          // the application has it, or it waits for that
	ConnectionSending                          // the client takes its answer
	ConnectionClosing                          // the client's end is awaited
	ConnectionHandshake                        // TLS begins
	connectionStates
)

// ConnectionStates are their names, in order.
var ConnectionStates = [connectionStates]string{"idle", "reading", "serving", "sending", "closing", "handshake"}

// Connections are numbers by state.
type Connections [connectionStates]int

// words is the layout in memory; all processes run the same binary.
type words struct {
	seq         atomic.Uint32 // odd: the request fields are being changed
	pid         atomic.Int32
	generation  atomic.Uint32
	state       atomic.Uint32
	requests    atomic.Uint64
	connections atomic.Int64
	loopTick    atomic.Int64 // CLOCK_MONOTONIC ns
	start       atomic.Int64 // CLOCK_MONOTONIC ns; 0: no request runs
	lens        atomic.Uint64
	running     atomic.Int64     // requests inside the application
	waived      atomic.Uint64    // requests when one of them was waived
	port        atomic.Uint64    // of that request's client, and 1; 0: it has no address
	address     [2]atomic.Uint64 // as 16 bytes, IPv4 mapped
	states      [2]atomic.Uint64 // of connections, 16 bits each
	text        [textSize / 8]atomic.Uint64
}

var _ [SlotSize - unsafe.Sizeof(words{})]byte // a compile error: words outgrew the slot
var _ [unsafe.Sizeof(words{}) - SlotSize]byte // a compile error: words shrank

// Board is the whole mapping.
type Board struct {
	mem   []byte
	slots int
}

// Create makes a board of so many slots, all free. The descriptor (of a
// memfile, CLOEXEC) is the caller's, to be sent to workers.
func Create(slots int) (*Board, int, error) {
	if slots < 1 {
		return nil, -1, fmt.Errorf("scoreboard of %d slots", slots)
	}
	fd, err := memfile.NewFixed(FileName, int64(slots)*SlotSize)
	if err != nil {
		return nil, -1, fmt.Errorf("creating scoreboard: %w", err)
	}
	b, err := Open(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, -1, fmt.Errorf("creating scoreboard: %w", err)
	}
	return b, fd, nil
}

// FileName is that of the board's file: a reader finds it among the master's
// descriptors in /proc.
const FileName = "gosrv-scoreboard"

// Open maps the board behind fd, which may be closed afterwards.
func Open(fd int) (*Board, error) { return mapped(fd, unix.PROT_READ|unix.PROT_WRITE) }

// View maps the board behind fd for a reader: no Slot of it may be used.
func View(fd int) (*Board, error) { return mapped(fd, unix.PROT_READ) }

func mapped(fd, protection int) (*Board, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("opening scoreboard: %w", err)
	}
	if st.Size < SlotSize || st.Size%SlotSize != 0 {
		return nil, fmt.Errorf("opening scoreboard: %d bytes are no whole slots", st.Size)
	}
	mem, err := unix.Mmap(fd, 0, int(st.Size), protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping scoreboard: %w", err)
	}
	return &Board{mem: mem, slots: int(st.Size / SlotSize)}, nil
}

// Close unmaps the board. No Slot of it may be used afterwards.
func (b *Board) Close() error { return unix.Munmap(b.mem) }

// Slots is the number of slots.
func (b *Board) Slots() int { return b.slots }

// Slot is the writer's view of slot i; i must be below Slots.
func (b *Board) Slot(i int) *Slot { return &Slot{b.words(i)} }

func (b *Board) words(i int) *words {
	return (*words)(unsafe.Pointer(&b.mem[i*SlotSize : (i+1)*SlotSize][0]))
}
