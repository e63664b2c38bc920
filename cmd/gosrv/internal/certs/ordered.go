package certs

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"gosrv/wsgi/ipc/tlspolicy"
)

// ordered takes a certificate that an ACME directory has issued, or makes one that stands for
// it: a browser warns of that, but somebody who looks sees that the server is there.
func (l *Loaded) ordered(o Ordered, now time.Time) error {
	if _, err := os.Stat(o.File); !errors.Is(err, fs.ErrNotExist) {
		from := source{"acme_domain", o.File}
		if err := l.add(from, from, now); err != nil {
			return err
		}
		l.Certificates[len(l.Certificates)-1].State = Renewed
		return nil
	}
	l.watch(o.File)
	text, err := sign([]string{o.Name}, now)
	if err != nil {
		return err
	}
	l.Policy.Pairs = append(l.Policy.Pairs, tlspolicy.Pair{Chain: string(text), Key: string(text)})
	l.Certificates = append(l.Certificates, Certificate{
		File: "self-signed", Names: []string{o.Name}, Key: "ECDSA P-256", NotAfter: now.Add(selfSignedDays * 24 * time.Hour), State: Awaited,
	})
	return nil
}
