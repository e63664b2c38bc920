package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosrv/wsgi/ipc/tlspolicy"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// made is a certificate and its key, PEM and DER.
type made struct {
	cert, key       string
	certDER, keyDER string
}

func newPair(t *testing.T, name string, from, until time.Time) made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name}, Subject: pkix.Name{CommonName: name},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return made{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		string(der), string(secret),
	}
}

func usual(t *testing.T, name string) made {
	return newPair(t, name, now.Add(-time.Hour), now.Add(90*24*time.Hour))
}

// files writes texts into a folder of the test's and gives their paths.
func files(t *testing.T, texts map[string]string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) string { return filepath.Join(dir, name) }
}

func TestWhatIsWrongIsNamedWithItsRemedy(t *testing.T) {
	a, b := usual(t, "a.example"), usual(t, "b.example")
	at := files(t, map[string]string{
		"a.pem": a.cert, "a.key": a.key, "b.key": b.key, "both.pem": a.cert + a.key, "empty.pem": "",
		"cert.der": a.certDER, "key.der": a.keyDER,
		"encrypted.key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"damaged.pem":   "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	})
	for _, test := range []struct {
		set  Settings
		want string
	}{
		{Settings{Certfile: at("none.pem")}, "certfile: " + at("none.pem") + ": no such file or directory"},
		{Settings{Certfile: t.TempDir()}, "is a folder"},
		{Settings{Certfile: at("empty.pem")}, "has no certificate: PEM text with -----BEGIN CERTIFICATE----- is wanted"},
		{Settings{Certfile: at("cert.der")}, "is DER, not PEM: openssl x509 -inform der"},
		{Settings{Certfile: at("damaged.pem")}, "certificate 1 in it is damaged"},
		{Settings{Certfile: at("a.pem")}, "has no private key in it, and keyfile is not set"},
		{Settings{Keyfile: at("a.key")}, "has no certificate beside it: set certfile too"},
		{Settings{Certfile: at("a.pem"), Keyfile: at("none.key")}, "keyfile: " + at("none.key") + ": no such file or directory"},
		{Settings{Certfile: at("a.pem"), Keyfile: at("key.der")}, "is DER, not PEM: openssl pkey -inform der"},
		{Settings{Certfile: at("a.pem"), Keyfile: at("encrypted.key")}, "the key is encrypted"},
		{Settings{Certfile: at("a.pem"), Keyfile: at("b.key")}, "is not the key of the certificate in " + at("a.pem") + " (CN=a.example)"},
		{Settings{Certfile: at("a.pem"), Keyfile: at("a.key"), CertReqs: 2}, "ca_certs names no authorities"},
		{Settings{Certfile: at("a.pem"), Keyfile: at("a.key"), CertReqs: 7}, "cert_reqs: 7 means nothing"},
		{Settings{Certfile: at("a.pem"), Keyfile: at("a.key"), CertReqs: 1, CACerts: at("a.key")}, "ca_certs: " + at("a.key") + ": has no certificate"},
		{Settings{Others: []string{at("a.pem") + ":" + at("b.key")}}, "tls_certificates: " + at("b.key") + ": is not the key"},
		{Settings{Others: []string{t.TempDir()}}, "tls_certificates: no certificate in"},
	} {
		_, err := Load(&test.set, now)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.set, err, test.want)
		}
	}
}

func TestLoadTakesAllThatIsNamed(t *testing.T) {
	a, b, c := usual(t, "a.example"), usual(t, "b.example"), usual(t, "c.example")
	at := files(t, map[string]string{"a.pem": a.cert, "a.key": a.key})
	folder := files(t, map[string]string{"b.crt": b.cert, "b.key": b.key, "c.pem": c.cert + c.key, "README": "not one"})
	l, err := Load(&Settings{Certfile: at("a.pem"), Keyfile: at("a.key"), Others: []string{filepath.Dir(folder("b.crt"))}}, now)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for i, one := range l.Certificates {
		found = append(found, one.Names...)
		if _, err := tls.X509KeyPair([]byte(l.Policy.Pairs[i].Chain), []byte(l.Policy.Pairs[i].Key)); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(found, " "); got != "a.example b.example c.example" {
		t.Error(got)
	}
	if l.Policy.Min != tls.VersionTLS12 || len(l.Warnings) > 0 || l.Certificates[0].Days(now) != 90 {
		t.Error(l.Policy.Min, l.Warnings, l.Certificates[0].Days(now))
	}
}

func TestOddFilesAreWarnedAbout(t *testing.T) {
	early := newPair(t, "early.example", now.Add(time.Hour), now.Add(90*24*time.Hour))
	at := files(t, map[string]string{"a.pem": early.cert, "a.key": early.key})
	if err := os.Chmod(at("a.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := Load(&Settings{Certfile: at("a.pem"), Keyfile: at("a.key")}, now)
	if err != nil || len(l.Warnings) != 2 || !strings.Contains(l.Warnings[0], "not valid before 2026-11-30 13:00:00") || !strings.Contains(l.Warnings[1], "chmod 600") {
		t.Fatal(err, l)
	}
}

func open(t *testing.T, s *Store, set Settings) *Served {
	t.Helper()
	v, err := s.Open(set, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func sealed(t *testing.T, v *Served) *tlspolicy.Policy {
	t.Helper()
	p, err := tlspolicy.Open(v.FD())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestChangedFilesAreReadWhenTheyAreAtRest(t *testing.T) {
	a, b := usual(t, "a.example"), usual(t, "b.example")
	at := files(t, map[string]string{"a.pem": a.cert, "a.key": a.key})
	s := &Store{}
	v := open(t, s, Settings{Certfile: at("a.pem"), Keyfile: at("a.key")})
	look := func(n int) (bool, error) {
		t.Helper()
		return s.Look(v, true, now.Add(time.Duration(n)*time.Second))
	}
	if changed, err := look(1); changed || err != nil {
		t.Fatal("a change was seen where there is none", err)
	}
	replace := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at("new"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(at("new"), at(name)); err != nil {
			t.Fatal(err)
		}
	}
	replace("a.pem", b.cert)
	if changed, err := look(2); changed || err != nil {
		t.Fatal("the key is yet to come", err)
	}
	if changed, err := look(3); changed || err == nil || !strings.Contains(err.Error(), "is not the key") {
		t.Fatal("a certificate without its key was taken", err)
	}
	if got := sealed(t, v).Pairs[0].Chain; got != a.cert {
		t.Error("what was served before is not kept")
	}
	if changed, err := look(4); changed || err != nil {
		t.Fatal("one change is reported twice", err)
	}
	replace("a.key", b.key)
	look(5)
	if changed, err := look(6); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if got := sealed(t, v).Pairs[0].Chain; got != b.cert {
		t.Error("the new certificate is not served")
	}
}

func TestTicketsOutliveLoadsAndMasters(t *testing.T) {
	a := usual(t, "a.example")
	at := files(t, map[string]string{"a.pem": a.cert, "a.key": a.key})
	set := Settings{Certfile: at("a.pem"), Keyfile: at("a.key")}
	s := &Store{}
	first := sealed(t, open(t, s, set)).Tickets
	if again := sealed(t, open(t, s, set)).Tickets; len(first) != 1 || again[0] != first[0] {
		t.Error("a reload makes clients shake hands anew")
	}
	next := &Store{}
	next.Restore(s.Save())
	if there := sealed(t, open(t, next, set)).Tickets; there[0] != first[0] {
		t.Error("an upgrade makes clients shake hands anew")
	}
	v := open(t, s, set)
	if changed, err := s.Look(v, true, now.Add(13*time.Hour)); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if turned := sealed(t, v).Tickets; len(turned) != 2 || turned[1] != first[0] || turned[0] == first[0] {
		t.Error("the key before the new one is not kept")
	}
	set.CertReqs, set.CACerts = 2, at("a.pem")
	if asked := sealed(t, open(t, s, set)).Tickets; len(asked) != 1 || asked[0] == first[0] {
		t.Error("a session that began without a certificate can be resumed where one is required")
	}
}

func TestEndingIsSaidOnce(t *testing.T) {
	p := newPair(t, "a.example", now.Add(-time.Hour), now.Add(10*24*time.Hour))
	at := files(t, map[string]string{"a.pem": p.cert + p.key})
	s := &Store{}
	v := open(t, s, Settings{Certfile: at("a.pem")})
	var said []string
	for hour := range 11 * 24 {
		said = append(said, s.Ending(v, now.Add(time.Duration(hour)*time.Hour))...)
	}
	if len(said) != 3 || !strings.Contains(said[0], "expires in 10 days") || !strings.Contains(said[1], "within a day") || !strings.Contains(said[2], "has expired") {
		t.Error(said)
	}
}

func TestSuites(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	got, err := Suites(python, "ECDHE+AESGCM:!AES256")
	if err != nil || len(got) != 2 {
		t.Error(got, err)
	}
	if _, err := Suites(python, "NONSENSE"); err == nil || !strings.Contains(err.Error(), "OpenSSL does not understand") {
		t.Error(err)
	}
	if _, err := Suites(python, "DHE-RSA-AES256-GCM-SHA384"); err == nil || !strings.Contains(err.Error(), "leaves none that gosrv has") {
		t.Error(err)
	}
}

func TestSelfSignedIsKeptAndRenewed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	path, err := SelfSigned(now)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := os.ReadFile(path)
	if again, err := SelfSigned(now.Add(20 * 24 * time.Hour)); err != nil || again != path {
		t.Fatal(again, err)
	}
	if kept, _ := os.ReadFile(path); string(kept) != string(first) {
		t.Error("a good certificate was made anew: browsers would have to be told again")
	}
	if _, err := SelfSigned(now.Add(25 * 24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if renewed, _ := os.ReadFile(path); string(renewed) == string(first) {
		t.Error("one that ends in five days was kept")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
	l, err := Load(&Settings{SelfSigned: true}, now.Add(25*24*time.Hour))
	if err != nil || len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "SHA-256 fingerprint is ") {
		t.Error(l, err)
	}
}

func TestAnOrderedCertificateTakesThePlaceOfOneOfOurOwn(t *testing.T) {
	at := files(t, map[string]string{"x": ""})
	path := at("a.example.pem")
	s := &Store{}
	v := open(t, s, Settings{Ordered: []Ordered{{Name: "a.example", File: path}}})
	if c := v.Certificates[0]; c.State != Awaited || c.Names[0] != "a.example" || len(s.Ending(v, now.Add(40*24*time.Hour))) > 0 {
		t.Error(c)
	}
	p := newPair(t, "a.example", now.Add(-4*time.Hour), now.Add(8*time.Hour)) // a directory of short lives
	if err := os.WriteFile(path, []byte(p.cert+p.key), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Look(v, true, now); err != nil {
			t.Fatal(err)
		}
	}
	if c := v.Certificates[0]; c.State != Renewed || len(s.Ending(v, now)) > 0 {
		t.Error(c, "is renewed by itself, and there is time for that")
	}
	if said := s.Ending(v, now.Add(7*time.Hour)); len(said) != 1 || !strings.Contains(said[0], "should have been renewed") {
		t.Error(said)
	}
}
