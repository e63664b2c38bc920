package generation

import (
	"time"

	"gosrv/cmd/gosrv/internal/certs"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// OpenCertificates reads what the plan says of TLS, with the rights of the master: workers
// get it sealed and need none. context is what the hook ssl_context has made, nil without
// one; python is the interpreter that knows OpenSSL's names. An error ends a start, and a
// reload.
func (s *Shared) OpenCertificates(r *Resources, p *plan.Plan, context *certs.Context, python string, now time.Time) (err error) {
	set := p.TLS()
	if !set.On() || r.Certificates != nil {
		return nil
	}
	if order, wanted := p.ACME(); wanted {
		if err := order.Prepare(); err != nil {
			return err
		}
	}
	if set.Context = context; context != nil {
		if err := context.Check(); err != nil {
			return err
		}
		p.Own.NoTickets = p.Own.NoTickets || !context.Tickets
	}
	if p.Own.Ciphers != "" && context == nil {
		if set.Suites, err = certs.Suites(python, p.Own.Ciphers); err != nil {
			return err
		}
	}
	s.Tickets.NoTickets = p.Own.NoTickets
	r.Certificates, err = s.Tickets.Open(set, now)
	return err
}

// Secure adds to a worker's order, and to its descriptors, what it needs for TLS.
func (s *Shared) Secure(r *Resources, p *plan.Plan, serve *workerctl.Serve, fds []int) []int {
	if r.Certificates == nil {
		return fds
	}
	serve.FDs, fds = append(serve.FDs, workerctl.FDTLS), append(fds, r.Certificates.FD())
	if _, orders := p.ACME(); orders {
		if fd, err := s.Asked(); err == nil { // without one the order says so
			serve.FDs, fds = append(serve.FDs, workerctl.FDChallenges), append(fds, fd)
		}
	}
	return fds
}

// SayCertificates writes to the log which certificates are served, and what is odd about
// them.
func (s *Shared) SayCertificates(r *Resources, log *errlog.Logger, now time.Time) {
	if r.Certificates == nil {
		return
	}
	for _, c := range r.Certificates.Loaded.Certificates {
		log.Infof("Certificate: %s: %s", c.String(), certs.Left(c.NotAfter, now))
	}
	for _, text := range append(r.Certificates.Warnings, s.Tickets.Ending(r.Certificates, now)...) {
		log.Warningf("%s", text)
	}
}

// RenewCertificates looks, about once a second, whether files have changed or keys of
// session tickets are due. true: the workers are to be given the policy anew.
func (s *Shared) RenewCertificates(r *Resources, watched bool, log *errlog.Logger, now time.Time) bool {
	v := r.Certificates
	if v == nil || !v.Due(now) {
		return false
	}
	since := v.Since
	changed, err := s.Tickets.Look(v, watched, now)
	switch {
	case err != nil:
		log.Errorf("The certificates have changed and cannot be used: %v\nThose read %s are served on", err, since.Format(time.DateTime))
	case v.Since != since:
		log.Infof("The certificates have changed: new connections get the new ones")
		s.SayCertificates(r, log, now)
	default:
		for _, text := range s.Tickets.Ending(v, now) {
			log.Warningf("%s", text)
		}
	}
	return changed
}
