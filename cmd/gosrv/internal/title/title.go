// Package title names the process in ps and top.
package title

import (
	"os"
	"strings"
	"unsafe"
)

// Area is the memory behind the process's arguments, as the kernel shows it in
// /proc/PID/cmdline. Go's os.Args point into it.
type Area struct{ mem []byte }

// Own copies os.Args out of the argument area and gives the area. It must run
// before anything keeps a piece of os.Args. An empty area is possible (a
// process started without arguments) and takes no title.
func Own() Area {
	a := find(os.Args)
	args := make([]string, len(os.Args))
	for i, s := range os.Args {
		args[i] = strings.Clone(s)
	}
	os.Args = args
	return Area{a}
}

// find joins arguments that lie one behind the other, which is how the kernel
// lays them out. Only the arguments are used, not the environment behind them:
// other code (libc, a C constructor) may still point there.
func find(args []string) []byte {
	if len(args) == 0 || len(args[0]) == 0 {
		return nil
	}
	start := unsafe.StringData(args[0])
	size := len(args[0])
	for _, s := range args[1:] {
		next := unsafe.Add(unsafe.Pointer(start), size+1) // past the NUL
		if len(s) > 0 && unsafe.Pointer(unsafe.StringData(s)) != next {
			break
		}
		size += 1 + len(s)
	}
	return unsafe.Slice(start, size)
}

// Set shows the title in ps, cut to the room there is, and its beginning as
// the thread's name in top (15 bytes).
func (a Area) Set(title string) {
	if len(a.mem) > 0 {
		n := copy(a.mem, title)
		clear(a.mem[n:])
	}
	// PR_SET_NAME would name the calling thread, and a goroutine's may be any;
	// this file is the main one's. Cosmetic: an error leaves the old name.
	_ = os.WriteFile("/proc/self/comm", []byte(title), 0)
}
