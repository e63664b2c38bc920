// Package certs reads certificates and keys for the workers: it checks that they belong
// together, says what is wrong with them and how to mend it, and notices when they change.
package certs

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gosrv/wsgi/ipc/tlspolicy"
)

// Settings say which files there are and what is asked of clients, in Gunicorn's words
// where it has them.
type Settings struct {
	Certfile   string
	Keyfile    string   // "": the key lies in Certfile
	Others     []string // tls_certificates: CERT[:KEY], or a folder of them
	CACerts    string
	CertReqs   int
	Suites     []uint16 // of the ciphers setting; nil: Go's choice
	Min, Max   uint16   // crypto/tls's numbers; 0: 1.2, and the newest
	Protos     []string // ALPN
	SelfSigned bool     // tls_self_signed, and no certificate of another kind
	Environ    bool     // tls_environ
	Ordered    []Ordered
	Context    *Context // of the hook ssl_context; nil: it is not set
}

// Ordered is a certificate that another process gets from an ACME directory. Until it is there
// one of our own takes its place.
type Ordered struct {
	Name string
	File string // certificate and key; only ever replaced as a whole
}

// On tells whether the server speaks TLS: any certificate or key switches it on, as with
// Gunicorn.
func (s *Settings) On() bool {
	return s.SelfSigned || len(s.Ordered) > 0 || s.Certfile != "" || s.Keyfile != "" || len(s.Others) > 0
}

// Loaded is what the files hold.
type Loaded struct {
	Policy       tlspolicy.Policy
	Certificates []Certificate // one each pair of Policy, in order
	Warnings     []string
	files        []string // whose change matters
	stamps       []stamp  // of each, from before it was read
}

// Certificate is one of them, for people.
type Certificate struct {
	File     string
	Names    []string
	Key      string // "ECDSA P-256"
	NotAfter time.Time
	Life     time.Duration // from its beginning on
	State    State
}

// State is who sees to a certificate.
type State uint8

const (
	Given   State = iota // the user
	Renewed              // an ACME directory
	Awaited              // it is one of our own that stands for one of a directory
)

// Days is how many whole days are left at a moment; below zero: it has expired.
func (c *Certificate) Days(now time.Time) int {
	const day = 24 * 60 * 60
	left := c.NotAfter.Unix() - now.Unix() // a Duration ends after 292 years
	if left < 0 {
		return -1 - int(-left/day)
	}
	return int(left / day)
}

// String describes it for the log.
func (c *Certificate) String() string {
	if c.State == Awaited {
		return fmt.Sprintf("self-signed for %s (%s), until the ordered one is there", strings.Join(c.Names, ", "), c.Key)
	}
	return fmt.Sprintf("%s for %s (%s)", c.File, strings.Join(c.Names, ", "), c.Key)
}

// Left says how long a certificate is good yet.
func Left(until, now time.Time) string {
	c, on := Certificate{NotAfter: until}, until.UTC().Format(time.DateOnly)
	switch days := c.Days(now); {
	case days < 0:
		return "expired on " + on
	case days == 0:
		return fmt.Sprintf("%s left, until %s UTC", until.Sub(now).Truncate(time.Second), until.UTC().Format(time.DateTime))
	case days == 1:
		return "1 day left, until " + on
	default:
		return fmt.Sprintf("%d days left, until %s", days, on)
	}
}

// Load reads all that the settings name. An error names the setting, the file and what to
// do; what is only odd is a warning.
func Load(s *Settings, now time.Time) (*Loaded, error) {
	l := &Loaded{Policy: tlspolicy.Policy{Min: s.Min, Max: s.Max, Suites: s.Suites, Protos: s.Protos, Environ: s.Environ}}
	if l.Policy.Min == 0 {
		l.Policy.Min = tls.VersionTLS12
	}
	if s.SelfSigned {
		path, err := SelfSigned(now)
		if err != nil {
			return nil, err
		}
		from := source{"tls_self_signed", path}
		if err := l.add(from, from, now); err != nil {
			return nil, err
		}
		l.Warnings = append(l.Warnings, fmt.Sprintf("The certificate %s is for development only; its SHA-256 fingerprint is %s", path, Fingerprint(l.Policy.Pairs[0].Chain)))
	}
	if s.Context != nil {
		if err := l.context(s.Context, now); err != nil {
			return nil, err
		}
	} else if s.Certfile != "" || s.Keyfile != "" {
		if err := l.first(s, now); err != nil {
			return nil, err
		}
	}
	for _, entry := range s.Others {
		if err := l.others(entry, now); err != nil {
			return nil, err
		}
	}
	for _, ordered := range s.Ordered {
		if err := l.ordered(ordered, now); err != nil {
			return nil, err
		}
	}
	if len(l.Policy.Pairs) == 0 {
		return nil, fmt.Errorf("tls_certificates: no certificate in %s", strings.Join(s.Others, ", "))
	}
	if s.Context != nil {
		return l, nil
	}
	return l, l.clients(s)
}

// first is the pair of certfile and keyfile.
func (l *Loaded) first(s *Settings, now time.Time) error {
	if s.Certfile == "" {
		return fmt.Errorf("keyfile: %s has no certificate beside it: set certfile too", s.Keyfile)
	}
	key := source{"keyfile", s.Keyfile}
	if s.Keyfile == "" {
		key = source{"certfile", s.Certfile}
	}
	return l.add(source{"certfile", s.Certfile}, key, now)
}

// others is one entry of tls_certificates.
func (l *Loaded) others(entry string, now time.Time) error {
	const setting = "tls_certificates"
	cert, key, split := strings.Cut(entry, ":")
	info, err := os.Stat(cert)
	if err == nil && info.IsDir() {
		if split {
			return fmt.Errorf("%s: %s is a folder, and %q after it no part of one", setting, cert, key)
		}
		return l.folder(setting, cert, now)
	}
	if !split {
		key = cert
	}
	return l.add(source{setting, cert}, source{setting, key}, now)
}

// folder takes each *.crt and *.pem of a folder, with the key of the same name (*.key) or in
// the same file.
func (l *Loaded) folder(setting, dir string, now time.Time) error {
	l.watch(dir)
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return fmt.Errorf("%s: %s: %s", setting, dir, reason(err))
	}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if ext != ".crt" && ext != ".pem" {
			continue
		}
		path := filepath.Join(dir, e.Name())
		key := strings.TrimSuffix(path, ext) + ".key"
		if _, err := os.Stat(key); err != nil {
			key = path
		}
		if err := l.add(source{setting, path}, source{setting, key}, now); err != nil {
			return err
		}
	}
	return nil
}

// watch notes a file whose change matters. It is called before the file is read: one that
// changes meanwhile is seen to have changed.
func (l *Loaded) watch(path string) {
	if !slices.Contains(l.files, path) {
		l.files, l.stamps = append(l.files, path), append(l.stamps, stampOf(path))
	}
}
