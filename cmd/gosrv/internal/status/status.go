// Package status lets another process of the same user read how a master is.
// The master keeps a memory file open; the reader finds it among the master's
// descriptors in /proc. There is nothing to clean up, and whoever may not
// signal the master may not read it either.
package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// Phases of a master.
const (
	Starting = "starting"
	Serving  = "serving"
	Stopping = "stopping"
)

// States of an upgrade.
const (
	UpgradeStarted = "started"
	UpgradeReady   = "ready" // the new master serves beside the old one
	UpgradeFailed  = "failed"
)

// Status is what a master says of itself.
type Status struct {
	PID        int    `json:"pid"`
	Version    string `json:"version"`
	App        string `json:"app"`
	Phase      string `json:"phase"`
	Generation int    `json:"generation"` // that serves
	Workers    int    `json:"workers"`    // wanted
	Ready      int    `json:"ready"`      // that serve
	Parent     int    `json:"parent"`     // the master that this one is to replace, or 0

	Reloads     int    `json:"reloads"`      // HUPs received
	Reloaded    int    `json:"reloaded"`     // of those, answered: with success unless ReloadError is set
	ReloadError string `json:"reload_error"` // of the last one

	Room
	Backlog int   `json:"backlog"` // connections that wait to be accepted, -1: not looked at
	Beat    int64 `json:"beat"`    // CLOCK_MONOTONIC s of the last sign of life, 0: none is given
	Past    Past  `json:"past"`

	Upgrades     int    `json:"upgrades"` // begun
	Upgrade      string `json:"upgrade"`  // state of the last one, "" for none
	UpgradePID   int    `json:"upgrade_pid"`
	UpgradeError string `json:"upgrade_error"`

	Certificates Certificates `json:"certificates"`
}

// Certificate is one that TLS clients are shown. The zero value: none.
type Certificate struct {
	Names string `json:"names"` // with commas between
	File  string `json:"file"`
	Key   string `json:"key"`   // "ECDSA P-256"
	Until int64  `json:"until"` // Unix time, s
}

// Certificates are the first ones of the generation that serves.
type Certificates [certificates]Certificate

// Show puts one in the i-th place; there is none for those behind the last.
func (c *Certificates) Show(i int, shown Certificate) {
	if i < len(c) {
		shown.Names, shown.File = head(shown.Names), head(shown.File)
		c[i] = shown
	}
}

// head keeps the beginning of a text.
func head(s string) string {
	if len(s) > brief {
		s = strings.ToValidUTF8(s[:brief], "") + "..."
	}
	return s
}

// Room is what each worker has for requests.
type Room struct {
	Threads int  `json:"threads"` // or as many as may run at once
	Loops   bool `json:"loops"`   // they are greenlets of one event loop
}

// Past is what has come of the server so far.
type Past struct {
	Started       int64   `json:"started"` // Unix time, s
	FailedReloads int     `json:"failed_reloads"`
	Reloads       History `json:"reloads"` // the last one first
	Ended         Endings `json:"ended"`
}

// Reload is one reload that has ended. The zero value: none.
type Reload struct {
	At         int64  `json:"at"`         // Unix time, s
	Generation int    `json:"generation"` // that it was to bring
	Error      string `json:"error"`      // its last line; "": the generation serves
}

// Ending is what a worker ended of.
type Ending int

// The endings.
const (
	Retired  Ending = iota // told to go: a reload, TTOU, a stop, its successor is ready
	Spent                  // it has left by itself
	TimedOut               // a request, or the boot, took too long
	Killed                 // SIGKILL that was not ours; out of memory, as a rule
	Crashed                // any other signal or exit code
	Unready                // it did not become ready
	endings
)

// EndingNames are the endings as metrics name them.
var EndingNames = [endings]string{"retired", "spent", "timed_out", "killed", "crashed", "unready"}

// Endings counts workers by what they ended of.
type Endings [endings]int

// Count counts one.
func (e *Endings) Count(of Ending) { e[of]++ }

const (
	name    = "gosrv-status"
	size    = 64 << 10 // texts are cut so that it suffices, however JSON writes them
	text    = 1000     // bytes
	brief   = 200
	history = 8

	certificates = 16
)

// History is the last reloads, the last one first.
type History [history]Reload

// Remember puts a reload before the others; what is too old goes.
func (h *History) Remember(r Reload) {
	lines := strings.Split(strings.TrimSpace(r.Error), "\n")
	r.Error = lines[len(lines)-1]
	r.Error = strings.ToValidUTF8(r.Error[:min(len(r.Error), brief)], "?")
	copy(h[1:], h[:])
	h[0] = r
}

// Board is where a master writes its status.
type Board struct {
	fd     int
	length int // bytes that are no blanks
	last   Status
}

// NewBoard makes the memory file.
func NewBoard() (*Board, error) {
	fd, err := memfile.New(name)
	if err != nil {
		return nil, fmt.Errorf("publishing the status: %w", err)
	}
	return &Board{fd: fd}, nil
}

// Publish shows s from now on.
func (b *Board) Publish(s Status) error {
	s.ReloadError, s.UpgradeError = cut(s.ReloadError), cut(s.UpgradeError)
	if s == b.last {
		return nil
	}
	line, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	if len(line) > size {
		return errors.New("writing status: too long")
	}
	// Blanks up to where the last one ended: the master is small, and writes this often.
	end := len(line)
	line = append(line, bytes.Repeat([]byte{' '}, max(b.length-end, 0))...)
	b.length = end
	if _, err := unix.Pwrite(b.fd, line, 0); err != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	b.last = s
	return nil
}

// cut keeps the end of a text: a traceback says there what is wrong.
func cut(s string) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	if len(s) > text {
		s = "..." + strings.ToValidUTF8(s[len(s)-text:], "")
	}
	return s
}

// ErrNoMaster means that the process does not exist or is no gosrv master.
var ErrNoMaster = errors.New("no running gosrv master")

// Read gives the status of the master with that process id.
func Read(pid int) (Status, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return Status{}, fmt.Errorf("process %d: %w", pid, ErrNoMaster)
	}
	if err != nil {
		return Status{}, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if link, err := os.Readlink(path); err == nil && memfile.Named(link, name) {
			return readPage(path, pid)
		}
	}
	return Status{}, fmt.Errorf("process %d: %w", pid, ErrNoMaster)
}

// readPage reads until two readings agree: a reading may meet a writing.
func readPage(path string, pid int) (Status, error) {
	var before []byte
	for range 100 {
		page, err := os.ReadFile(path)
		if err != nil {
			return Status{}, fmt.Errorf("process %d: %w", pid, ErrNoMaster)
		}
		if before != nil && bytes.Equal(page, before) {
			var s Status
			if err := json.Unmarshal(bytes.TrimSpace(page), &s); err != nil {
				return s, fmt.Errorf("process %d: reading its status: %w", pid, err)
			}
			return s, nil
		}
		before = page
	}
	return Status{}, fmt.Errorf("process %d: its status never stands still", pid)
}

// Masters lists the masters that this user may look at and that replace no
// other one.
func Masters() []Status {
	entries, _ := os.ReadDir("/proc")
	var found []Status
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := Read(pid); err == nil && s.PID == pid && s.Parent == 0 {
			found = append(found, s)
		}
	}
	return found
}

// Find gives the status of the master that is meant: that of a pidfile, or with "" the only
// one of this user.
func Find(pidfile string) (Status, error) {
	if pidfile == "" {
		found := Masters()
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) == 0 {
			return Status{}, ErrNoMaster
		}
		var list []string
		for _, s := range found {
			list = append(list, fmt.Sprintf("%d (%s)", s.PID, s.App))
		}
		return Status{}, fmt.Errorf("several servers run, name one by --pid FILE: %s", strings.Join(list, ", "))
	}
	text, err := os.ReadFile(pidfile)
	if err != nil {
		return Status{}, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return Status{}, fmt.Errorf("%s holds no process id", pidfile)
	}
	return Read(pid)
}
