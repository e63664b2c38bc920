package plan

import (
	"strings"

	"gosrv/cmd/gosrv/internal/listen"
)

// Mechanics are the settings the master itself acts on.
type Mechanics struct {
	Bind        []string `json:"bind"`
	Pidfile     string   `json:"pidfile"`
	Chdir       string   `json:"chdir"`
	User        int      `json:"user"`
	Group       int      `json:"group"`
	Umask       int      `json:"umask"`
	RawEnv      []string `json:"raw_env"`
	CheckConfig bool     `json:"check_config"`
	PrintConfig bool     `json:"print_config"`
	Daemon      bool     `json:"daemon"`
	OneByOne    bool     `json:"reload_one_by_one"`
	KeepStdio   bool     `json:"enable_stdio_inheritance"`
	Reload      bool     `json:"reload"`
	OwnStdlib   bool     `json:"no_share_stdlib"`

	BacklogMetric bool `json:"enable_backlog_metric"`

	MetricsBind  string `json:"metrics_bind"` // "": none
	MetricsToken string `json:"metrics_token"`
	NoMetrics    bool   `json:"no_metrics"`

	Succession
	Secure
}

// Succession is when a worker makes room for another one, in requests; 0: never.
type Succession struct {
	MaxRequests int `json:"max_requests"`
	ReforkAfter int `json:"refork_after"` // and becomes the parent of a zygote
}

// Secure are the settings of TLS.
type Secure struct {
	Keyfile      string   `json:"keyfile"`
	Certfile     string   `json:"certfile"`
	CACerts      string   `json:"ca_certs"`
	CertReqs     int      `json:"cert_reqs"`
	Ciphers      string   `json:"ciphers"`
	Certificates []string `json:"tls_certificates"`
	TLSMin       string   `json:"tls_min_version"`
	SelfSigned   bool     `json:"tls_self_signed"`
	TLSEnviron   bool     `json:"tls_environ"`
	NoTLSWatch   bool     `json:"no_tls_watch"`
	NoTickets    bool     `json:"no_tls_session_tickets"`

	Domains     []string `json:"acme_domain"`
	Email       string   `json:"acme_email"`
	Directory   string   `json:"acme_directory"`
	DirectoryCA string   `json:"acme_directory_ca"`
	Storage     string   `json:"acme_storage"`
	HTTPBind    string   `json:"acme_http_bind"` // "": none
}

// Env is the raw_env setting as a map. Entries were checked with the settings.
func (p *Plan) Env() map[string]string {
	env := map[string]string{}
	for _, pair := range p.Own.RawEnv {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

// SocketOptions are the settings that shape sockets.
func (p *Plan) SocketOptions() listen.Options {
	return listen.Options{
		Backlog: p.Worker.Backlog, Umask: p.Own.Umask, ReusePort: p.Worker.ReusePort,
		UID: p.Own.User, GID: p.Own.Group,
	}
}

// Scheme is how clients reach a TCP listener.
func (p *Plan) Scheme() string {
	if tls := p.TLS(); tls.On() {
		return "https"
	}
	return "http"
}
