package workerctl

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Settings holds the resolved settings a worker acts on. The tags are Gunicorn's
// names; times are seconds; null and a missing name mean the zero value.
type Settings struct {
	WorkerClass       string `json:"worker_class"`
	Workers           int    `json:"workers"`
	Threads           int    `json:"threads"`
	WorkerConnections int    `json:"worker_connections"`
	ReforkAfter       uint64 `json:"refork_after"` // 0: no worker forks a zygote
	Timeout           int    `json:"timeout"`
	GracefulTimeout   int    `json:"graceful_timeout"`
	Keepalive         int    `json:"keepalive"`
	KeepaliveSet      bool   `json:"keepalive_set"` // Keepalive is the user's, not the default
	Backlog           int    `json:"backlog"`
	ReusePort         bool   `json:"reuse_port"`
	Preload           bool   `json:"preload_app"`
	Reload            bool   `json:"reload"`
	Sendfile          *bool  `json:"sendfile"` // nil: not set, SENDFILE decides, else on
	ProcName          string `json:"proc_name"`
	DefaultProcName   string `json:"default_proc_name"`
	WorkerTmpDir      string `json:"worker_tmp_dir"`
	TmpUploadDir      string `json:"tmp_upload_dir"` // "": the system's

	LimitRequestLine      int `json:"limit_request_line"`
	LimitRequestFields    int `json:"limit_request_fields"`
	LimitRequestFieldSize int `json:"limit_request_field_size"`

	// Our own settings; Gunicorn has no such limits. 0 is no limit.
	LimitRequestBody  int64 `json:"limit_request_body"` // bytes
	HeaderTimeout     int   `json:"header_timeout"`
	BodyTimeout       int   `json:"body_timeout"`
	WriteTimeout      int   `json:"write_timeout"`
	RequestTimeout    int   `json:"request_timeout"`
	MaxConnections    int   `json:"max_connections"` // 0: from the descriptor limit
	PermitMissingHost bool  `json:"permit_missing_host"`
	PermitFragment    bool  `json:"permit_fragment"`
	StreamRequestBody bool  `json:"stream_request_body"`
	NoHandOver        bool  `json:"no_hand_over"` // no backup loop, no exchange
	NoEnvironMemo     bool  `json:"no_environ_memo"`

	ServerHeader string `json:"server_header"` // "off": none; "": the default
	HealthPath   string `json:"health_path"`   // "": none

	StripHeaderSpaces               bool   `json:"strip_header_spaces"`
	PermitObsoleteFolding           bool   `json:"permit_obsolete_folding"`
	PermitUnconventionalHTTPMethod  bool   `json:"permit_unconventional_http_method"`
	PermitUnconventionalHTTPVersion bool   `json:"permit_unconventional_http_version"`
	CasefoldHTTPMethod              bool   `json:"casefold_http_method"`
	HeaderMap                       string `json:"header_map"` // drop, refuse, dangerous
	ForwarderHeaders                List   `json:"forwarder_headers"`

	ForwardedAllowIPs   List      `json:"forwarded_allow_ips"` // addresses, networks or "*"
	SecureSchemeHeaders StringMap `json:"secure_scheme_headers"`
	Protocol            string    `json:"protocol"`
	ProxyProtocol       string    `json:"proxy_protocol"` // off, v1, v2, auto
	ProxyAllowIPs       List      `json:"proxy_allow_ips"`
	UWSGIAllowIPs       List      `json:"uwsgi_allow_ips"`

	AccessLog       string `json:"accesslog"` // "" or null: none; "-": standard output
	AccessLogFormat string `json:"access_log_format"`
	ErrorLog        string `json:"errorlog"`
	LogLevel        string `json:"loglevel"`
	CaptureOutput   bool   `json:"capture_output"`
	Syslog          bool   `json:"syslog"`
	SyslogAddr      string `json:"syslog_addr"`
	SyslogPrefix    string `json:"syslog_prefix"` // "": from proc_name
	SyslogFacility  string `json:"syslog_facility"`
	SyslogNoAccess  bool   `json:"disable_redirect_access_to_syslog"`
	StatsdHost      string `json:"statsd_host"`
	StatsdPrefix    string `json:"statsd_prefix"`
	DogstatsdTags   string `json:"dogstatsd_tags"`
	StatsdExtended  bool   `json:"statsd_extended"`

	HTTPProtocols             string `json:"http_protocols"`
	HTTP2Cleartext            string `json:"http2_cleartext"`
	HTTP2MaxConcurrentStreams int    `json:"http2_max_concurrent_streams"`
	HTTP2InitialWindowSize    int    `json:"http2_initial_window_size"`
	HTTP2MaxFrameSize         int    `json:"http2_max_frame_size"`
	HTTP2MaxHeaderListSize    int    `json:"http2_max_header_list_size"`
}

// Greenlets tells whether requests run in greenlets, in an event loop of Python's.
func (s *Settings) Greenlets() bool { return s.WorkerClass == "gevent" || s.WorkerClass == "eventlet" }

// SyslogName is what stands between "gunicorn" and "error" or "access" in syslog lines.
func (s *Settings) SyslogName() string {
	if s.SyslogPrefix != "" {
		return s.SyslogPrefix
	}
	return strings.ReplaceAll(s.ProcName, ":", ".")
}

// List is a list of strings; Gunicorn's comma-separated text is read as one too.
type List []string

// UnmarshalJSON accepts a list, a comma-separated string, or null.
func (l *List) UnmarshalJSON(b []byte) error {
	var list []string
	if err := json.Unmarshal(b, &list); err == nil {
		*l = list
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("want a list or a comma-separated string, have %s", b)
	}
	*l = nil
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// StringMap is a dictionary of strings. Other values are left out: a header
// never equals them.
type StringMap map[string]string

// UnmarshalJSON accepts any object, or null.
func (m *StringMap) UnmarshalJSON(b []byte) error {
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("want a dictionary, have %s", b)
	}
	*m = StringMap{}
	for name, value := range all {
		if text, ok := value.(string); ok {
			(*m)[name] = text
		}
	}
	return nil
}
