package certs

import (
	"crypto/rand"
	"encoding/json"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// turn is how often the key of session tickets changes.
const turn = 12 * time.Hour

// Tickets are the keys with which sessions are resumed. They are the same for all workers
// and generations: a client that comes back meets another worker.
type Tickets struct {
	Keys  [][32]byte `json:"keys"`  // the first encrypts; all decrypt
	Made  time.Time  `json:"made"`  // the first
	Asked string     `json:"asked"` // what clients had to show when they were given out, as a hash
}

// kept is how many keys decrypt: the one in use and that before it.
const kept = 2

// Turn makes a new first key when it is time, and tells whether it has.
func (t *Tickets) Turn(now time.Time) bool {
	if len(t.Keys) > 0 && now.Sub(t.Made) < turn {
		return false
	}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand
	t.Keys = append([][32]byte{key}, t.Keys[:min(len(t.Keys), kept-1)]...)
	t.Made = now
	return true
}

// Forget makes all tickets worthless: what clients must show has changed.
func (t *Tickets) Forget() { t.Keys = nil }

// Save writes the keys into a memory file for the master that takes this one's place, so that
// clients resume there. The descriptor is the caller's; -1: there are none, or no file is to
// be had, and clients do a whole handshake.
func (t *Tickets) Save() int {
	if len(t.Keys) == 0 {
		return -1
	}
	text, err := json.Marshal(t)
	if err != nil {
		return -1
	}
	fd, err := memfile.Written(memfile.New, "gosrv-tickets", text)
	if err != nil {
		return -1
	}
	return fd
}

// Restore takes over what Save has written, and closes fd; 0 is none. Keys that cannot be
// read are none.
func (t *Tickets) Restore(fd int) {
	if fd == 0 {
		return
	}
	defer unix.Close(fd)
	var saved Tickets
	text, err := memfile.Content(fd, 1<<16)
	if err == nil && json.Unmarshal(text, &saved) == nil {
		*t = saved
	}
}
