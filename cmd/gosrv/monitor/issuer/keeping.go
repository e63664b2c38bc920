package issuer

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/certmagic"
)

// keeping is one name's certificate.
type keeping struct {
	issuer *Issuer
	name   string
	// ratio is the share of its life that is left when it is renewed. It differs from process
	// to process, so that not all renew at the same moment; the directory's own suggestion
	// (RFC 9773) is random already and goes before.
	ratio float64
	fails int // in a row
}

// between is how long two looks at a certificate with that life lie apart.
func between(life time.Duration) time.Duration {
	if life <= 0 {
		return 10 * time.Minute
	}
	return min(max(life/60, time.Second), 10*time.Minute)
}

// rest is how long a new certificate is left alone, so that a directory that always wants
// another one is not asked for it all the time.
func rest(life time.Duration) time.Duration { return min(life/4, time.Hour) }

// leaf is the certificate that the master serves; nil: none.
func (k *keeping) leaf() *x509.Certificate {
	text, err := os.ReadFile(k.issuer.order.File(k.name))
	if err != nil {
		return nil
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	c, _ := x509.ParseCertificate(block.Bytes)
	return c
}

// life is how long a certificate is good as a whole; 0: there is none.
func life(c *x509.Certificate) time.Duration {
	if c == nil {
		return 0
	}
	return c.NotAfter.Sub(c.NotBefore)
}

// begin says what is waited for.
func (k *keeping) begin() {
	if k.leaf() == nil {
		k.issuer.say("info", "There is no certificate for %s yet; it is being ordered from %s, and clients get a self-signed one until it is there", k.name, k.issuer.order.Directory)
	}
}

// look orders or renews what is due, and tells how long to wait for the next look.
func (k *keeping) look(ctx context.Context) time.Duration {
	before := k.leaf()
	err := k.manage(ctx, life(before))
	if err == nil {
		err = k.serve(ctx)
	}
	if err != nil {
		k.fails++
		wait := pause(err, k.fails)
		k.issuer.say("error", "No certificate for %s: %s. %s. Next try in %s", k.name, short(err), advice(err, k.name, &k.issuer.order), wait.Round(time.Second))
		if before != nil {
			k.issuer.say("warning", "The certificate for %s is served on, until %s UTC", k.name, before.NotAfter.UTC().Format(time.DateTime))
		}
		return wait
	}
	k.fails = 0
	now := k.leaf()
	if now != nil && (before == nil || !now.Equal(before)) {
		k.issuer.say("info", "There is a new certificate for %s, until %s UTC", k.name, now.NotAfter.UTC().Format(time.DateTime))
		return jittered(rest(life(now)))
	}
	return jittered(between(life(now)))
}

// jittered is a duration that is up to a tenth longer.
func jittered(d time.Duration) time.Duration { return d + rand.N(d/10+1) }

// manage has certmagic order or renew, under the storage's lock.
func (k *keeping) manage(ctx context.Context, life time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, stop := k.issuer.config(k.ratio, life)
	defer stop()
	return c.ManageSync(ctx, []string{k.name})
}

// serve puts what lies in the storage where the master finds it.
func (k *keeping) serve(ctx context.Context) error {
	s := k.issuer
	template := certmagic.ACMEIssuer{CA: s.order.Directory}
	key := template.IssuerKey()
	text, err := s.answers.Load(ctx, certmagic.StorageKeys.SiteCert(key, k.name))
	if err != nil {
		return err
	}
	secret, err := s.answers.Load(ctx, certmagic.StorageKeys.SitePrivateKey(key, k.name))
	if err != nil {
		return err
	}
	return replace(s.order.File(k.name), append(append(bytes.TrimSpace(text), '\n'), secret...))
}

// replace writes a file as a whole, unless it holds that already. Others may not read it.
func replace(path string, text []byte) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, text) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".next-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	_, err = next.Write(text)
	if err == nil {
		err = next.Sync()
	}
	if closed := next.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	return err
}
