// Package issuer gets certificates from an ACME directory and renews them, for one master.
package issuer

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/wsgi/ipc/challenges"
)

const (
	// atATime is how many names are asked about at once: one that leads elsewhere takes a
	// minute and more to fail, and must not hold the others up.
	atATime = 4
	// patience is how long one order may take.
	patience = 3 * time.Minute
)

// Issuer is the process.
type Issuer struct {
	order   acme.Order
	answers *answers
	roots   *x509.CertPool // nil: the system's
	turns   chan struct{}
	nobody  net.Listener // see config

	mu   sync.Mutex
	news *json.Encoder
}

// New makes one for an order. What directories may ask for goes into asked, what is to be
// said to news.
func New(order acme.Order, asked *challenges.File, news io.Writer) *Issuer {
	log.SetOutput(io.Discard) // certmagic's, beside what it returns
	return &Issuer{
		order: order, answers: newAnswers(order.Storage, asked), turns: make(chan struct{}, atATime), news: json.NewEncoder(news),
	}
}

// say tells the master.
func (s *Issuer) say(level, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.news.Encode(acme.News{Level: level, Text: fmt.Sprintf(format, args...)}) // a master that is gone ends this process
}

// Run sees to all names until ctx is over.
func (s *Issuer) Run(ctx context.Context) (err error) {
	if s.order.CA != "" {
		text, err := os.ReadFile(s.order.CA)
		if err != nil {
			return fmt.Errorf("acme_directory_ca: %w", err)
		}
		s.roots = x509.NewCertPool()
		if !s.roots.AppendCertsFromPEM(text) {
			return fmt.Errorf("acme_directory_ca: %s has no certificate", s.order.CA)
		}
	}
	if s.nobody, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	go s.answers.follow(ctx)
	for _, name := range s.order.Names() {
		go s.tend(ctx, name)
	}
	<-ctx.Done()
	return nil
}

// tend keeps one name's certificate.
func (s *Issuer) tend(ctx context.Context, name string) {
	k := &keeping{issuer: s, name: name, ratio: 1.0/3 - rand.Float64()/30}
	k.begin()
	for ctx.Err() == nil {
		s.turns <- struct{}{}
		wait := k.look(ctx)
		<-s.turns
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// config is certmagic's, for one look: what it keeps between looks lies in the storage. life
// is that of the certificate that is there.
func (s *Issuer) config(ratio float64, life time.Duration) (*certmagic.Config, func()) {
	quiet := zap.NewNop() // its errors come back to us
	var c *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return c, nil },
		RenewCheckInterval: between(life), OCSPCheckInterval: 24 * time.Hour, Logger: quiet,
	})
	c = certmagic.New(cache, certmagic.Config{
		Storage: s.answers, RenewalWindowRatio: ratio, OCSP: certmagic.OCSPConfig{DisableStapling: true}, Logger: quiet,
	})
	// Workers and ServeHTTP answer. certmagic would listen itself, unless somebody does at
	// these ports already.
	port := s.nobody.Addr().(*net.TCPAddr).Port
	c.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(c, certmagic.ACMEIssuer{
		CA: s.order.Directory, Email: s.order.Email, Agreed: true, TrustedRoots: s.roots, DisableHTTPChallenge: !s.order.HTTP,
		ListenHost: "127.0.0.1", AltHTTPPort: port, AltTLSALPNPort: port, CertObtainTimeout: patience / 2, Logger: quiet,
	})}
	return c, cache.Stop
}
