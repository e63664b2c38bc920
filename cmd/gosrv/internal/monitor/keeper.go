package monitor

import (
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/listen"
)

// pauses between attempts at what keeps failing: doubled from the first to the last.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Server is what the keeper looks at, and acts with.
type Server[O comparable] struct {
	Words
	// Wanted is what the settings in force ask for; false: nothing. An address without a
	// kind is none: the process has no socket then.
	Wanted func() (listen.Addr, O, bool)
	// Options are those of the sockets.
	Options func() listen.Options
	// Serves tells whether this master is the one to be looked at: of two, during an
	// upgrade, one is.
	Serves func() bool
	// Alone tells whether no other master has the socket.
	Alone func() bool
	Start func(order O, socket int) (*Process, error)
	Now   func() time.Time
	Log   Log
}

// Words are for the log.
type Words struct {
	Listens string // with the address
	Missing string // with the reason
	Ended   string // with process id and what it ended of
}

// Log is the part of the error log that is used.
type Log interface {
	Infof(format string, args ...any)
	Warningf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Keeper keeps a process of the other program beside a master: its monitor, or what gets it
// certificates. The socket is the master's, so that it
// outlives the process, and its address is taken or refused where other addresses are.
// Only the master's loop uses it.
type Keeper[O comparable] struct {
	Server[O]
	Inherited int // the socket, from the master before; 0: none

	socket  *listen.Socket // nil: none
	process *Process       // nil: none
	order   O              // of process
	fails   int            // in a row
	until   time.Time      // no attempt before
	leaving map[int]bool   // processes that were let go, by process id
	over    bool           // the master ends
}

// Open binds the address that is wanted at the start. An address that is not to be
// had is an error of the start, as with bind.
func (k *Keeper[O]) Open() error {
	want, _, wanted := k.Wanted()
	if !wanted {
		return nil
	}
	if err := Carried(); err != nil {
		return err
	}
	if want.Kind == "" {
		return nil
	}
	if fd := k.Inherited; fd != 0 {
		k.Inherited = 0
		if set, _ := listen.Inherit([]int{fd}, []listen.Addr{want}); len(set) > 0 {
			k.socket = set[0]
			return nil
		}
	}
	return k.bind(want)
}

// Announce logs where the monitor listens, if it does.
func (k *Keeper[O]) Announce() {
	if k.socket != nil {
		k.Log.Infof(k.Listens, listen.URL(k.socket.Bound, "http"))
	}
}

// backlog is what may wait: more than a few lookers are none.
const backlog = 128

func (k *Keeper[O]) bind(a listen.Addr) error {
	options := k.Options()
	options.Backlog, options.ReusePort, options.UID, options.GID = backlog, false, -1, -1
	s, err := listen.Open(a, options)
	if err != nil {
		return &listen.Error{Addr: a, Err: err}
	}
	k.socket = s
	return nil
}

// Tend brings address and process to what is wanted. Call it often.
func (k *Keeper[O]) Tend() {
	want, order, wanted := k.Wanted()
	if k.socket != nil && (!wanted || k.socket.Asked != want) {
		k.let()
		k.close()
	}
	serves := k.Serves() && !k.over
	if k.process != nil && (!serves || order != k.order) {
		k.let()
	}
	if !wanted || !serves || k.process != nil || k.Now().Before(k.until) {
		return
	}
	var err error
	if k.socket == nil && want.Kind != "" {
		if err = k.bind(want); err == nil {
			k.Announce()
		}
	}
	if err == nil {
		k.process, err = k.Start(order, k.Share())
		k.order = order
	}
	if err != nil {
		k.failed()
		k.Log.Errorf(k.Missing, err)
	}
}

func (k *Keeper[O]) failed() {
	pause := lastPause
	if k.fails < 6 {
		pause = min(firstPause<<k.fails, lastPause)
	}
	k.fails++
	k.until = k.Now().Add(pause)
}

// let ends the process.
func (k *Keeper[O]) let() {
	if k.process == nil {
		return
	}
	if k.leaving == nil {
		k.leaving = map[int]bool{}
	}
	k.leaving[k.process.PID] = true
	k.process.Let()
	k.process, k.fails = nil, 0
}

// Died handles the end of a process, which describe says in words; false: it was
// none of the keeper's. Another one takes its place.
func (k *Keeper[O]) Died(pid int, status unix.WaitStatus, describe func(unix.WaitStatus) string) bool {
	if k.leaving[pid] {
		delete(k.leaving, pid)
		return true
	}
	if k.process == nil || k.process.PID != pid {
		return false
	}
	_ = k.process.life.Close()
	k.process = nil
	k.failed()
	k.Log.Warningf(k.Ended, pid, describe(status))
	return true
}

// close gives the socket up; a path that another master serves stays.
func (k *Keeper[O]) close() {
	if k.socket != nil {
		k.socket.Close(k.Alone())
		k.socket = nil
	}
}

// End is for the end of the master.
func (k *Keeper[O]) End() {
	k.over = true
	k.let()
	k.close()
}

// Share gives the socket that a new master takes over, -1 for none.
func (k *Keeper[O]) Share() int {
	if k.socket == nil {
		return -1
	}
	return k.socket.FD
}

// On tells whether somebody may be looking.
func (k *Keeper[O]) On() bool { return k.process != nil }
