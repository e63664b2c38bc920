package scoreboard

import (
	"encoding/binary"
	"net/netip"
	"unsafe"
)

// Slot is what the owner writes. One process at a time owns a slot; with
// several threads, Begin and End are called by whoever holds the worker's lock.
type Slot struct{ w *words }

// Init takes the slot over for a new worker and clears all it held.
func (s *Slot) Init(pid, generation int) {
	w := s.w
	w.seq.Store((w.seq.Load() + 2) &^ 1) // a killed owner may have left it odd
	s.End()
	w.requests.Store(0)
	w.waived.Store(0)
	w.connections.Store(0)
	s.SetStates(&Connections{})
	w.running.Store(0)
	w.loopTick.Store(0)
	w.generation.Store(uint32(generation))
	w.pid.Store(int32(pid))
	w.state.Store(uint32(Booting))
}

// Release frees the slot of a dead worker; the master calls it.
func (s *Slot) Release() {
	s.Init(0, 0)
	s.w.state.Store(uint32(Free))
}

// SetState says what the worker does.
func (s *Slot) SetState(st State) { s.w.state.Store(uint32(st)) }

// AddRequest counts one request. A slot has one writer, so a plain addition to an
// aligned word will do, where a locked one costs more than all the rest of it.
func (s *Slot) AddRequest() { *(*uint64)(unsafe.Pointer(&s.w.requests))++ }

// SetConnections says how many client connections are open.
func (s *Slot) SetConnections(n int) { s.w.connections.Store(int64(n)) }

// SetStates says what the open connections are at; of each state 65535 at most are counted.
func (s *Slot) SetStates(n *Connections) {
	var words [2]uint64
	for i, n := range n {
		words[i/4] |= uint64(min(n, 1<<16-1)) << (i % 4 * 16)
	}
	for i := range words {
		s.w.states[i].Store(words[i])
	}
}

// SetRunning says how many requests are inside the application (threads).
func (s *Slot) SetRunning(n int) { s.w.running.Store(int64(n)) }

// Tick says that the event loop came round at this time (CLOCK_MONOTONIC ns).
func (s *Slot) Tick(now int64) { s.w.loopTick.Store(now) }

// Begin names the request that runs since start (CLOCK_MONOTONIC ns, not 0):
// with threads, the oldest one. Method and path are copied and cut to what fits. client is not valid where it has no
// address.
func (s *Slot) Begin(start int64, method, path []byte, client netip.AddrPort) {
	w := s.w
	m := min(len(method), 24)
	p := min(len(path), textSize-m)
	// Plain stores between two atomic additions, for speed: this is done once a
	// request. Readers look only at what both counts of seq enclose.
	w.seq.Add(1)
	text := (*[textSize]byte)(unsafe.Pointer(&w.text))
	copy(text[copy(text[:], method[:m]):], path[:p])
	*(*uint64)(unsafe.Pointer(&w.lens)) = uint64(m)<<32 | uint64(p)
	*(*[16]byte)(unsafe.Pointer(&w.address)) = client.Addr().As16()
	*(*uint64)(unsafe.Pointer(&w.port)) = uint64(client.Port()) + 1
	if !client.IsValid() {
		*(*uint64)(unsafe.Pointer(&w.port)) = 0
	}
	*(*int64)(unsafe.Pointer(&w.start)) = start
	w.seq.Add(1)
}

// End says that no request runs. Its method and path stay, and mean nothing.
func (s *Slot) End() { s.w.start.Store(0) }

// Snapshot is one reading of a slot.
type Snapshot struct {
	PID         int
	Generation  int
	State       State
	Requests    uint64         // served by this worker
	Connections int            // open now
	States      Connections    // those, a second ago at most
	Running     int            // requests inside the application
	LoopTick    int64          // last turn of the event loop, CLOCK_MONOTONIC ns, 0 unknown
	Waived      bool           // that request may take as long as it likes
	Start       int64          // of the oldest running request, CLOCK_MONOTONIC ns; 0: none runs
	Method      string         // of that request, cut to 24 bytes
	Path        string         // of that request, cut; without query
	Client      netip.AddrPort // of that request; not valid: it has no address
}

// Snapshot reads slot i. Start, Method and Path belong together; if the writer
// died in the middle of a change they are left empty.
func (b *Board) Snapshot(i int) Snapshot {
	w := b.words(i)
	s := Snapshot{
		PID:         int(w.pid.Load()),
		Generation:  int(w.generation.Load()),
		State:       State(w.state.Load()),
		Requests:    w.requests.Load(),
		Connections: int(w.connections.Load()),
		Running:     int(w.running.Load()),
		LoopTick:    w.loopTick.Load(),
	}
	for i := range s.States {
		s.States[i] = int(w.states[i/4].Load() >> (i % 4 * 16) & (1<<16 - 1))
	}
	for range 1000 {
		if w.readRequest(&s) {
			return s
		}
	}
	s.Start, s.Method, s.Path, s.Client, s.Waived = 0, "", "", netip.AddrPort{}, false
	return s
}

// readRequest tells whether what it read was not changed meanwhile.
func (w *words) readRequest(s *Snapshot) bool {
	before := w.seq.Load()
	if before&1 != 0 {
		return false
	}
	start, lens := w.start.Load(), w.lens.Load()
	var text [textSize]byte
	m, p := int(lens>>32), int(lens&0xffffffff)
	if m+p > textSize {
		return false
	}
	for off := 0; off < m+p; off += 8 {
		binary.NativeEndian.PutUint64(text[off:], w.text[off/8].Load())
	}
	var client netip.AddrPort
	if port := w.port.Load(); port > 0 {
		var address [16]byte
		binary.NativeEndian.PutUint64(address[:], w.address[0].Load())
		binary.NativeEndian.PutUint64(address[8:], w.address[1].Load())
		client = netip.AddrPortFrom(netip.AddrFrom16(address).Unmap(), uint16(port-1))
	}
	if w.seq.Load() != before {
		return false
	}
	if start != 0 {
		s.Waived = s.Requests > 0 && s.Requests == w.waived.Load()
		s.Start, s.Method, s.Path, s.Client = start, string(text[:m]), string(text[m:m+p]), client
	}
	return true
}
