package certs

import (
	"crypto/sha256"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Store keeps what outlives one loading of the certificates: the keys of session tickets.
// The master has one.
type Store struct {
	Tickets
	NoTickets bool           // no_tls_session_tickets is set
	warned    map[string]int // by file: the days left of which was warned last
}

// Served is what workers are given: the certificates of one generation.
type Served struct {
	Settings
	*Loaded
	Since  time.Time
	looked time.Time // when Due has said yes last
	watch  watch
	fd     int
}

// Open loads what the settings name and seals it.
func (s *Store) Open(set Settings, now time.Time) (*Served, error) {
	v := &Served{Settings: set, fd: -1}
	if err := s.load(v, now); err != nil {
		return nil, err
	}
	return v, nil
}

// load reads anew. On an error v stays as it was.
func (s *Store) load(v *Served, now time.Time) error {
	loaded, err := Load(&v.Settings, now)
	if err != nil {
		return err
	}
	was := *v
	v.Loaded, v.Since = loaded, now
	v.watch = follow(loaded.files, loaded.stamps)
	if err := s.seal(v, now); err != nil {
		*v = was
		return err
	}
	return nil
}

// seal writes the policy for the workers.
func (s *Store) seal(v *Served, now time.Time) error {
	c := &v.Policy.Clients
	asked := fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, c.Require, c.Authorities, c.Revoked)))
	if asked != s.Asked {
		s.Forget() // a session that was begun under other rules is not resumed
		s.Asked = asked
	}
	s.Turn(now)
	v.Policy.Tickets = s.Keys
	if s.NoTickets {
		v.Policy.Tickets = nil
	}
	fd, err := v.Policy.Seal()
	if err != nil {
		return err
	}
	v.Close()
	v.fd = fd
	return nil
}

// pause is how long two looks lie apart at least. The master comes by at every event.
const pause = 700 * time.Millisecond

// Due tells, about once a second, that it is time for Look and Ending.
func (v *Served) Due(now time.Time) bool {
	if now.Sub(v.looked) < pause {
		return false
	}
	v.looked = now
	return true
}

// Look is to be called when it is Due. It tells whether workers must be given FD
// anew: the files have changed, or it was time for another ticket key. With an error the
// files have changed and cannot be used; what was read before is served on.
func (s *Store) Look(v *Served, watched bool, now time.Time) (bool, error) {
	if watched && v.watch.changed() {
		err := s.load(v, now)
		return err == nil, err
	}
	if len(s.Keys) > 0 && now.Sub(s.Made) >= turn {
		return true, s.seal(v, now)
	}
	return false, nil
}

// FD is the sealed policy (tlspolicy.Open), valid until the next Look or Close.
func (v *Served) FD() int { return v.fd }

// Close gives it back.
func (v *Served) Close() {
	if v.fd >= 0 {
		_ = unix.Close(v.fd)
		v.fd = -1
	}
}

// mark is how near the end is: 3 when it is over, 2 on the last day, 1 before that, 0 while
// there is time. One that is renewed by itself, at two thirds of its life, is late when a
// sixth is left; that may be less than a day.
func (c *Certificate) mark(now time.Time) int {
	days := c.Days(now)
	switch {
	case c.State == Awaited:
		return 0
	case days < 0:
		return 3
	case c.State == Renewed && c.NotAfter.Sub(now) >= c.Life/6:
		return 0
	case days < 1:
		return 2
	case days < 14:
		return 1
	}
	return 0
}

// Ending lists certificates that run out soon, each once when 14 days are left, once on the
// last day, and once when it is over.
func (s *Store) Ending(v *Served, now time.Time) []string {
	var texts []string
	if s.warned == nil {
		s.warned = map[string]int{}
	}
	for i := range v.Certificates {
		c := &v.Certificates[i]
		days, id, mark := c.Days(now), c.File+c.NotAfter.String(), c.mark(now)
		if mark <= s.warned[id] {
			continue
		}
		s.warned[id] = mark
		until := c.NotAfter.UTC().Format(time.DateTime) + " UTC"
		if c.State == Renewed {
			until += "; it should have been renewed by now, and the lines of ACME above say why it is not"
		}
		switch mark {
		case 3:
			texts = append(texts, fmt.Sprintf("The certificate %s has expired (%s): clients refuse it", c.File, until))
		case 2:
			texts = append(texts, fmt.Sprintf("The certificate %s expires within a day (%s)", c.File, until))
		default:
			texts = append(texts, fmt.Sprintf("The certificate %s expires in %d days (%s)", c.File, days, until))
		}
	}
	return texts
}
