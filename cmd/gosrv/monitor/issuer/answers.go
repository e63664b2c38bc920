package issuer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	directory "github.com/mholt/acmez/v3/acme"

	"gosrv/wsgi/ipc/challenges"
)

const (
	// every is how often challenges are looked for that another server with the same
	// storage has begun: the directory may ask this one.
	every = time.Second
	// stale is the age at which one that a killed process has left counts for nothing.
	stale = time.Hour
)

// answers is certmagic's storage, which tells workers and ServeHTTP of the challenges in it
// before the directory can ask.
type answers struct {
	certmagic.FileStorage
	asked *challenges.File

	mu    sync.Mutex
	known []string                        // files, with their time
	made  map[string]challenges.Challenge // by key authorization
	http  map[string]string               // key authorizations, by host/token
}

func newAnswers(storage string, asked *challenges.File) *answers {
	return &answers{FileStorage: certmagic.FileStorage{Path: storage}, asked: asked, made: map[string]challenges.Challenge{}}
}

// folder is the part of the storage's keys that challenges have.
const folder = "challenge_tokens"

// Store implements certmagic.Storage.
func (a *answers) Store(ctx context.Context, key string, value []byte) error {
	if err := a.FileStorage.Store(ctx, key, value); err != nil || !strings.Contains(key, folder) {
		return err
	}
	return a.refresh()
}

// Delete implements certmagic.Storage.
func (a *answers) Delete(ctx context.Context, key string) error {
	if err := a.FileStorage.Delete(ctx, key); err != nil || !strings.Contains(key, folder) {
		return err
	}
	return a.refresh()
}

// follow sees what others put into the storage.
func (a *answers) follow(ctx context.Context) {
	for tick := time.NewTicker(every); ctx.Err() == nil; <-tick.C {
		_ = a.refresh() // the next one comes in a second
	}
}

// refresh reads all challenges, if they have changed.
func (a *answers) refresh() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	paths, _ := filepath.Glob(filepath.Join(a.Path, "acme", "*", folder, "*.json"))
	var found, texts []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) > stale {
			continue
		}
		if text, err := os.ReadFile(path); err == nil {
			found, texts = append(found, path+info.ModTime().String()), append(texts, string(text))
		}
	}
	if slices.Equal(found, a.known) {
		return nil
	}
	var all []challenges.Challenge
	a.http = map[string]string{}
	for _, text := range texts {
		var c directory.Challenge
		if json.Unmarshal([]byte(text), &c) != nil {
			continue
		}
		a.http[strings.ToLower(c.Identifier.Value)+"/"+c.Token] = c.KeyAuthorization
		if c.Type == directory.ChallengeTypeTLSALPN01 {
			if made, err := a.answer(c); err == nil {
				all = append(all, made)
			}
		}
	}
	if err := a.asked.Write(all); err != nil {
		return err
	}
	a.known = found
	return nil
}

// answer makes the certificate that answers, once.
func (a *answers) answer(c directory.Challenge) (challenges.Challenge, error) {
	if made, there := a.made[c.KeyAuthorization]; there {
		return made, nil
	}
	cert, err := acmez.TLSALPN01ChallengeCert(c)
	if err != nil {
		return challenges.Challenge{}, err
	}
	made, err := written(cert)
	if err != nil {
		return made, err
	}
	made.Name = strings.ToLower(c.Identifier.Value)
	if len(a.made) > 1000 {
		clear(a.made)
	}
	a.made[c.KeyAuthorization] = made
	return made, nil
}

// written is a certificate and its key as text.
func written(cert *tls.Certificate) (c challenges.Challenge, err error) {
	secret, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return c, err
	}
	c.Chain = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	c.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return c, nil
}

// token is what HTTP-01 wants to hear; false: nobody has asked for that.
func (a *answers) token(host, token string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	text, ok := a.http[host+"/"+token]
	return text, ok
}
