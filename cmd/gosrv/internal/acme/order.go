// Package acme is the master's side of certificates from an ACME directory (RFC 8555): what
// is to be ordered, where the certificates come to lie, and the process that sees to it. That is
// the other program (cmd/gosrv/monitor, package issuer): its libraries would cost the
// master and each worker memory, and what it waits for must hold up nobody.
package acme

import (
	"net/url"
	"path/filepath"
	"strings"

	"gosrv/cmd/gosrv/internal/monitor"
)

// directories are those that have a name in acme_directory.
var directories = map[string]string{
	"letsencrypt":         "https://acme-v02.api.letsencrypt.org/directory",
	"letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}

// URL is where a directory is that acme_directory names.
func URL(directory string) string {
	if url, known := directories[directory]; known {
		return url
	}
	return directory
}

// Order is what a master wants certificates of. Orders that are equal need no new process.
type Order struct {
	Domains   string `json:"domains"`   // names with blanks between
	Email     string `json:"email"`     // of the account; "": none
	Directory string `json:"directory"` // URL
	CA        string `json:"ca"`        // file of authorities for the directory's own certificate; "": the system's
	Storage   string `json:"storage"`   // folder, absolute
	HTTP      bool   `json:"http"`      // SocketFD listens for plain HTTP
}

// Names are the domains.
func (o *Order) Names() []string { return strings.Fields(o.Domains) }

// Descriptors of the process, beside its life (monitor.LifeFD).
const (
	SocketFD     = 3 // listens for plain HTTP, if Order.HTTP
	ChallengesFD = 5 // challenges.File
	NewsFD       = 6 // where it tells the master what it does: News, one a line
)

// News is what the process has to say.
type News struct {
	Level string `json:"level"` // info, warning or error
	Text  string `json:"text"`
}

const variable monitor.Variable = "_GOSRV_ACME"

// Ordered tells whether this process was started to get certificates.
func Ordered() bool { return variable.Given() }

// TakeOrder takes the order; false: there is none.
func TakeOrder() (o Order, ordered bool, err error) {
	ordered, err = variable.Take(&o)
	return o, ordered, err
}

// File is where the certificate of a domain and its key come to lie, in one file that is only
// ever replaced as a whole. Each directory has a folder of its own: a certificate for tests
// is not to be taken for a real one.
func (o *Order) File(domain string) string {
	return filepath.Join(o.Storage, "served", o.issuer(), domain+".pem")
}

// issuer names the directory as a file can be named.
func (o *Order) issuer() string {
	name := o.Directory
	if at, err := url.Parse(o.Directory); err == nil {
		name = at.Host + at.Path
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, strings.Trim(strings.ToLower(name), "/."))
}
