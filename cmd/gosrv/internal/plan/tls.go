package plan

import (
	"crypto/tls"
	"path/filepath"

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
	for _, c := range o.Certificates {
		s.Others = append(s.Others, p.fromChdir(c))
	}
	if o.TLSMin == "1.3" {
		s.Min = tls.VersionTLS13
	}
	return s
}

// fromChdir makes a path absolute if chdir is set.
func (p *Plan) fromChdir(path string) string {
	if path == "" || filepath.IsAbs(path) || p.Own.Chdir == "" {
		return path
	}
	return filepath.Join(p.Own.Chdir, path)
}
