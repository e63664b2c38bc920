package settings

const (
	noUWSGI  = "gosrv speaks HTTP only: in nginx use proxy_pass instead of uwsgi_pass"
	NoASGI   = "gosrv serves WSGI applications: use an ASGI server such as uvicorn, hypercorn or granian for ASGI"
	noParser = "gosrv has one HTTP parser of its own"
)

// proxyRows: protocols in front of HTTP.
var proxyRows = []Setting{
	{
		Name: "proxy_protocol", Section: SectionMechanics, Flags: []string{"--proxy-protocol"}, Metavar: "MODE", Action: Optional, Const: "auto", Default: "off", Check: proxyMode,
		Help: "Read the PROXY protocol header that a load balancer puts in front of each connection: off, v1, v2 or auto.",
	},
	{
		Name: "proxy_allow_ips", Section: SectionMechanics, Flags: []string{"--proxy-allow-from"}, Default: []string{"127.0.0.1", "::1"}, Check: AddressList,
		Help: "Peers that may send a PROXY protocol header: addresses and networks with commas between, or *. Others are answered 403.",
	},
	{
		Name: "protocol", Section: SectionMechanics, Flags: []string{"--protocol"}, Metavar: "STRING", Default: "http", Check: anyString, Since: "24.0.0",
		State: Unsupported, Note: noUWSGI,
		Help: "Protocol to speak: http.",
	},
	{
		Name: "uwsgi_allow_ips", Section: SectionMechanics, Flags: []string{"--uwsgi-allow-from"}, Default: []string{"127.0.0.1", "::1"}, Check: AddressList, Since: "24.0.0",
		State: NoEffect, Note: noUWSGI,
		Help: "Peers that may speak uwsgi.",
	},
}

// http2Rows: HTTP/2.
var http2Rows = []Setting{
	{
		Name: "http_protocols", Section: SectionHTTP2, Flags: []string{"--http-protocols"}, Metavar: "STRING", Default: []string{"h1"}, Check: Protocols, Since: "25.0.0",
		Help: "HTTP versions to offer to clients over TLS, the preferred one first: h1, h2, or both with a comma between.",
	},
	{
		Name: "http2_cleartext", Section: SectionHTTP2, Flags: []string{"--http2-cleartext"}, Metavar: "STRING", Default: "off", Check: h2cMode, Since: "26.2.0",
		Help: "HTTP/2 without TLS, for peers in forwarded_allow_ips and with h2 in http_protocols: off, prior-knowledge, upgrade or both.",
	},
	{
		Name: "http2_max_concurrent_streams", Section: SectionHTTP2, Flags: []string{"--http2-max-concurrent-streams"}, Metavar: "INT", Type: Int, Default: 100, Check: streamLimit, Since: "25.0.0",
		Help: "Requests at the same time on one HTTP/2 connection.",
	},
	{
		Name: "http2_initial_window_size", Section: SectionHTTP2, Flags: []string{"--http2-initial-window-size"}, Metavar: "INT", Type: Int, Default: 65535, Check: windowSize, Unit: Bytes, Since: "25.0.0",
		Help: "Bytes of one request body that an HTTP/2 client may send ahead.",
	},
	{
		Name: "http2_max_frame_size", Section: SectionHTTP2, Flags: []string{"--http2-max-frame-size"}, Metavar: "INT", Type: Int, Default: 16384, Check: frameSize, Unit: Bytes, Since: "25.0.0",
		Help: "Largest HTTP/2 frame that is accepted, in bytes.",
	},
	{
		Name: "http2_max_header_list_size", Section: SectionHTTP2, Flags: []string{"--http2-max-header-list-size"}, Metavar: "INT", Type: Int, Default: 65536, Check: posInt, Unit: Bytes, Since: "25.0.0",
		Help: "Bytes of header fields in one HTTP/2 request, as RFC 9113 counts them: 32 more a field; 0: no limit of its own.",
	},
	{
		Name: "raw_paste_global_conf", Section: SectionMechanics, Flags: []string{"--paste-global"}, Metavar: "CONF", Action: Append, Default: []string{}, Check: ListText,
		Help: "KEY=VALUE for PasteDeploy's global configuration. May be repeated.",
	},
}

// parsingRows: how strictly requests are read.
var parsingRows = []Setting{
	{
		Name: "permit_obsolete_folding", Section: SectionMechanics, Flags: []string{"--permit-obsolete-folding"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "23.0.0",
		Help: "Accept header fields that go on in the next line. Only for old clients behind a careful proxy.",
	},
	{
		Name: "strip_header_spaces", Section: SectionMechanics, Flags: []string{"--strip-header-spaces"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Accept spaces between a header's name and its colon. Opens the way for request smuggling.",
	},
	{
		Name: "permit_unconventional_http_method", Section: SectionMechanics, Flags: []string{"--permit-unconventional-http-method"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "22.0.0",
		Help: "Accept methods with small letters or #, shorter than 3 or longer than 20 characters.",
	},
	{
		Name: "permit_unconventional_http_version", Section: SectionMechanics, Flags: []string{"--permit-unconventional-http-version"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "22.0.0",
		Help: "Accept HTTP versions other than 1.x.",
	},
	{
		Name: "casefold_http_method", Section: SectionMechanics, Flags: []string{"--casefold-http-method"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "22.0.0",
		Help: "Turn methods into capitals.",
	},
	{
		Name: "forwarder_headers", Section: SectionMechanics, Flags: []string{"--forwarder-headers"}, Default: []string{"SCRIPT_NAME", "PATH_INFO"}, Check: CommaText, Since: "23.0.0",
		Help: "Headers with an underscore that a trusted proxy may send, with commas between, or *.",
	},
	{
		Name: "header_map", Section: SectionMechanics, Flags: []string{"--header-map"}, Default: "drop", Check: HeaderMap, Since: "22.0.0",
		Help: "What happens to other headers with an underscore in the name: drop, refuse (answer 400) or dangerous (pass on).",
	},
}

// asgiRows: settings of Gunicorn's ASGI worker, and the choice of parser.
var asgiRows = []Setting{
	{
		Name: "asgi_loop", Section: SectionWorkers, Flags: []string{"--asgi-loop"}, Metavar: "STRING", Default: "auto", Check: asgiLoop, Since: "24.0.0",
		State: Unsupported, Note: NoASGI,
		Help: "Event loop of ASGI workers.",
	},
	{
		Name: "asgi_lifespan", Section: SectionWorkers, Flags: []string{"--asgi-lifespan"}, Metavar: "STRING", Default: "auto", Check: asgiLife, Since: "24.0.0",
		State: Unsupported, Note: NoASGI,
		Help: "Lifespan protocol of ASGI workers.",
	},
	{
		Name: "asgi_disconnect_grace_period", Section: SectionWorkers, Flags: []string{"--asgi-disconnect-grace-period"}, Metavar: "INT", Type: Int, Default: 3, Check: posInt, Since: "25.1.0",
		State: Unsupported, Note: NoASGI,
		Help: "Seconds an ASGI task goes on after its client has left.",
	},
	{
		Name: "websocket_max_message_size", Section: SectionWorkers, Flags: []string{"--websocket-max-message-size"}, Metavar: "INT", Type: Int, Default: 16777216, Check: posInt, Since: "26.3.0",
		State: Unsupported, Note: NoASGI,
		Help: "Largest WebSocket message of ASGI workers.",
	},
	{
		Name: "http_parser", Section: SectionWorkers, Flags: []string{"--http-parser"}, Metavar: "STRING", Default: "auto", Check: httpParser, Since: "25.2.0",
		State: NoEffect, Note: noParser,
		Help: "Which of Gunicorn's parsers to use.",
	},
	{
		Name: "root_path", Section: SectionMechanics, Flags: []string{"--root-path"}, Metavar: "STRING", Default: "", Check: anyString, Since: "24.0.0",
		State: NoEffect, Note: "only ASGI applications see it; for WSGI set SCRIPT_NAME",
		Help: "Prefix of the application's paths, for ASGI.",
	},
}

const noControl = "gosrv opens no control socket"

// controlRows: Gunicorn's control socket.
var controlRows = []Setting{
	{
		Name: "control_socket", Section: SectionControl, Flags: []string{"--control-socket"}, Metavar: "PATH", Default: Computed("$XDG_RUNTIME_DIR/gunicorn.ctl or ~/.gunicorn/gunicorn.ctl"), Check: anyString, Since: "25.1.0",
		State: NoEffect, Note: noControl,
		Help: "Path of the control socket.",
	},
	{
		Name: "control_socket_mode", Section: SectionControl, Flags: []string{"--control-socket-mode"}, Metavar: "INT", Type: AutoInt, Default: 0o600, Check: posInt, Since: "25.1.0",
		State: NoEffect, Note: noControl,
		Help: "Mode of the control socket.",
	},
	{
		Name: "control_socket_disable", Section: SectionControl, Flags: []string{"--no-control-socket"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "25.1.0",
		State: NoEffect, Note: noControl,
		Help: "Do without the control socket.",
	},
}
