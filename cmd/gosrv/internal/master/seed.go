package master

import (
	"encoding/json"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
)

// A seed is a zygote of no generation yet: a copy of another one from before that
// read its orders, so that a reload need not start an interpreter. It says itself
// whether it still is what a new one would be. None is kept where the application
// is preloaded: its import takes the time then, and the pages that it rewrites in
// the zygote would be in memory twice.

// plantSeed gives a zygote that is about to get its first order the channel of a
// seed to leave behind. false: there is one already, or none is to be had.
func (m *Master) plantSeed() (peer int, ok bool) {
	if m.seed != nil || m.gens.Current.Plan != nil && m.gens.Current.Plan.Preloads() {
		return -1, false
	}
	ch, peer, err := m.sys.Pair()
	if err != nil {
		m.log.Debugf("The next reload starts an interpreter: %v", err)
		return -1, false
	}
	m.seed = &zygote.Process{Channel: ch}
	return peer, true
}

// takeSeed makes the seed the zygote of a generation. false: there is none.
func (m *Master) takeSeed(g *generation.Generation) bool {
	s := m.seed
	if s == nil || s.PID == 0 {
		return false
	}
	m.seed = nil
	s.State, s.Origin, s.Started = zygote.Loading, zygote.FromSeed, m.sys.Now()
	g.Zygote = s
	return true
}

// readSeed reads what the seed has to say: that it is there. End of file: it is
// not, because the zygote saw why it must not be, or it has ended.
func (m *Master) readSeed() {
	for m.seed != nil {
		typ, raw, err := m.seed.Recv(m.sys.CloseFD)
		switch {
		case err != nil:
			m.dropSeed()
			return
		case typ == "":
			return
		}
		m.fromSeed(typ, raw)
	}
}

// readUnnamed reads what processes say of whom only the channel is known: one that has told its
// process id since readAll, and has ended since, is among the dead by now.
func (m *Master) readUnnamed() {
	if m.seed != nil && m.seed.PID == 0 {
		m.readSeed()
	}
	if z := m.refork.pending; z != nil && z.PID == 0 {
		m.readPending()
	}
}

func (m *Master) fromSeed(typ string, raw json.RawMessage) {
	if typ != "SeedReady" {
		m.log.Errorf("Seed (pid:%d): %s: unknown message", m.seed.PID, typ)
		return
	}
	if err := receive(raw, func(msg zygotectl.SeedReady) { m.seed.PID = msg.PID }); err != nil {
		m.log.Errorf("Seed: %s: %v", typ, err)
	}
	if m.phase == stopping {
		m.endSeed()
	}
}

// endSeed tells it to exit. A stop waits for one that has not said that it is
// there (seedGone), since it may be about to be forked.
func (m *Master) endSeed() {
	s := m.seed
	if s == nil {
		return
	}
	if s.PID == 0 && m.phase == stopping {
		_ = s.Channel.Send(zygotectl.Exit{}) // one that is gone has closed its end
		return
	}
	if s.PID == 0 {
		m.dropSeed()
		return
	}
	m.seed = nil
	m.dismiss(s)
}

// seedGone tells whether a stop need not wait for the seed: not for longer than
// zygote.ExitGrace, after which end of file ends it.
func (m *Master) seedGone(now time.Time) bool {
	if m.seed != nil && !now.Before(m.stop.deadline) {
		m.dropSeed()
	}
	return m.seed == nil
}

// seedDied handles the death of a seed: the next reload starts an interpreter.
func (m *Master) seedDied(pid int, status unix.WaitStatus) bool {
	if m.seed == nil || m.seed.PID != pid {
		return false
	}
	m.log.Debugf("Seed (pid:%d) %s", pid, describe(status))
	m.dropSeed()
	return true
}

// dropSeed forgets the seed, which ends by its channel's end if it lives.
func (m *Master) dropSeed() {
	_ = m.seed.Channel.Close()
	m.seed = nil
}
