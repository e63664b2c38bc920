package cpython

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cgo"
)

const (
	// stacksPatience is how long the stacks wait for the GIL: several times as
	// long as a thread that runs Python code keeps it when others want it.
	stacksPatience = 100 * time.Millisecond
	// stacksSize bounds what is shown of them, in bytes.
	stacksSize = 256 << 10
)

// ThreadIdent is the calling thread as Stacks and Python's threading.get_ident name it.
func ThreadIdent() uint64 { return cgo.ThreadIdent() }

// ProbeGIL takes the GIL and gives it back, which may take for ever. For goroutines on
// threads that have no Thread.
func ProbeGIL() {
	turn := int32(1)
	<-inspect(func() { cgo.Stacks(true, &turn) })
}

// inspections are done by one thread, the only one of Go's own that Python gets to know.
var inspections = sync.OnceValue(func() chan<- func() {
	asked := make(chan func(), 64)
	go func() {
		runtime.LockOSThread()
		for f := range asked {
			f()
		}
	}()
	return asked
})

// inspect has f done by that thread, after what it is at. The result is closed then.
func inspect(f func()) <-chan struct{} {
	done := make(chan struct{})
	inspections() <- func() {
		f()
		close(done)
	}
	return done
}

// Stacks is the Python stack of each thread, or the reason why there is none. Those of the
// threads in late are marked, those in idle are only counted. It needs the GIL for nothing: if that is to be had, stacks do
// not change while they are read; if it is not, the thread that keeps it is inside C code
// and changes none. For goroutines on threads that have no Thread; one at a time.
func Stacks(late, idle []uint64) string {
	turn := new(int32)
	first := make(chan int, 2) // the outcome of the one whose turn it was
	attempt := func(gil bool) {
		if fd := cgo.Stacks(gil, turn); fd != otherTurn {
			first <- fd
		}
	}
	inspect(func() { attempt(true) })
	select {
	case fd := <-first:
		return stacksText(fd, late, idle)
	case <-time.After(stacksPatience):
	}
	attempt(false)
	return stacksText(<-first, late, idle)
}

// otherTurn is gosrv_stacks's result for a thread that came second.
const otherTurn = -2

// stacksText reads what was written and marks threads.
func stacksText(fd int, late, idle []uint64) string {
	if fd < 0 {
		return "(not to be had: there is no faulthandler, or the application uses its signal)"
	}
	buf := make([]byte, stacksSize)
	n, err := unix.Pread(fd, buf, 0)
	if err != nil || n == 0 {
		return fmt.Sprintf("(not to be had: %v)", err)
	}
	return markStacks(string(buf[:n]), late, idle)
}

// markStacks says which threads are late, and leaves out those that are at nothing of Python's.
func markStacks(text string, late, idle []uint64) string {
	var kept []string
	waiting := 0
	for stack := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n\n") {
		head, frames, _ := strings.Cut(stack, "\n")
		if strings.TrimSpace(frames) == "<no Python frame>" {
			continue // waits for the GIL, as the one that writes has
		}
		if named(head, idle) != "" {
			waiting++
			continue
		}
		if name := named(head, late); name != "" {
			stack = strings.Replace(stack, name, name+", which is late", 1)
		}
		kept = append(kept, stack)
	}
	if waiting > 0 {
		kept = append(kept, fmt.Sprintf("%d more wait for requests", waiting))
	}
	return strings.Join(kept, "\n\n")
}

// named is how the first line of a stack names one of the threads, "" if it does not.
func named(head string, idents []uint64) string {
	for _, ident := range idents {
		if name := fmt.Sprintf("0x%016x", ident); ident != 0 && strings.Contains(head, name) {
			return name
		}
	}
	return ""
}
