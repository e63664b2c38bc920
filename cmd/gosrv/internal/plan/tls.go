package plan

import (
	"crypto/tls"
	"path/filepath"
	"slices"
	"strings"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/certs"
)

// TLS is what the settings say of it. Files are found from the chdir setting on, where the
// server is when it reads them; a check of the configuration stays where it is.
func (p *Plan) TLS() certs.Settings {
	o := &p.Own
	s := certs.Settings{
		Certfile: p.fromChdir(o.Certfile), Keyfile: p.fromChdir(o.Keyfile), CACerts: p.fromChdir(o.CACerts),
		Environ: o.TLSEnviron, CertReqs: o.CertReqs, Min: tls.VersionTLS12, SelfSigned: o.SelfSigned && o.Certfile == "" && o.Keyfile == "",
	}
	if protocols := strings.Split(p.Worker.HTTPProtocols, ","); slices.Contains(protocols, "h2") {
		for _, name := range protocols { // as Gunicorn: without h2 nothing is negotiated
			s.Protos = append(s.Protos, map[string]string{"h1": "http/1.1", "h2": "h2"}[name])
		}
	}
	for _, c := range o.Certificates {
		s.Others = append(s.Others, p.fromChdir(c))
	}
	if order, wanted := p.ACME(); wanted {
		for _, name := range order.Names() {
			s.Ordered = append(s.Ordered, certs.Ordered{Name: name, File: order.File(name)})
		}
	}
	if o.TLSMin == "1.3" {
		s.Min = tls.VersionTLS13
	}
	return s
}

// ACME is what is to be ordered from a directory; false: nothing.
func (p *Plan) ACME() (order acme.Order, wanted bool) {
	o := &p.Own
	if len(o.Domains) == 0 {
		return order, false
	}
	storage := p.fromChdir(o.Storage)
	if storage == "" {
		storage, _ = acme.DefaultStorage() // that there is one was checked with the settings
	}
	if full, err := filepath.Abs(storage); err == nil {
		storage = full
	}
	ca := p.fromChdir(o.DirectoryCA)
	if full, err := filepath.Abs(ca); err == nil && ca != "" {
		ca = full
	}
	return acme.Order{
		Domains: strings.ToLower(strings.Join(o.Domains, " ")), Email: o.Email, Directory: acme.URL(o.Directory), CA: ca, Storage: storage, HTTP: o.HTTPBind != "",
	}, true
}

// fromChdir makes a path absolute if chdir is set.
func (p *Plan) fromChdir(path string) string {
	if path == "" || filepath.IsAbs(path) || p.Own.Chdir == "" {
		return path
	}
	return filepath.Join(p.Own.Chdir, path)
}
