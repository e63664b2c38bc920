package settings

const (
	neverWaits = "gosrv never waits for a handshake: it goes on beside other connections"
	cutIsEnd   = "a connection that is cut without TLS's goodbye has ended, whatever this says"
)

// tlsRows: TLS, Gunicorn's settings first.
var tlsRows = []Setting{
	{
		Name: "keyfile", Section: SectionSSL, Flags: []string{"--keyfile"}, Metavar: "FILE", Check: anyString,
		State: Better, Note: "only the user that starts gosrv needs to read it, not the workers",
		Help: "Private key in PEM, not encrypted. Without it the key is expected in certfile.",
	},
	{
		Name: "certfile", Section: SectionSSL, Flags: []string{"--certfile"}, Metavar: "FILE", Check: anyString,
		State: Better, Note: "read once, not for each connection; a new one is taken up when the file changes",
		Help: "Certificate in PEM, with the chain to its authority behind it. Either this or tls_certificates makes all addresses speak HTTPS.",
	},
	{
		Name: "ssl_version", Section: SectionSSL, Flags: []string{"--ssl-version"}, Default: 2, Check: sslVersion,
		State: NoEffect, Note: "Gunicorn ignores it too since 21.0; tls_min_version says what is meant",
		Help: "Version of TLS.",
	},
	{
		Name: "cert_reqs", Section: SectionSSL, Flags: []string{"--cert-reqs"}, Default: 0, Check: posInt,
		Help: "Whether clients must show a certificate: 0 no, 1 optional, 2 required.",
	},
	{
		Name: "ca_certs", Section: SectionSSL, Flags: []string{"--ca-certs"}, Metavar: "FILE", Check: anyString,
		State: Better, Note: "revocation lists in it are obeyed",
		Help: "Authorities that sign client certificates, in PEM. Revocation lists (X509 CRL) in the same file are obeyed.",
	},
	{
		Name: "suppress_ragged_eofs", Section: SectionSSL, Flags: []string{"--suppress-ragged-eofs"}, Action: StoreTrue, Default: true, Check: AnyBool,
		State: NoEffect, Note: cutIsEnd,
		Help: "Treat a connection cut without a TLS goodbye as its end.",
	},
	{
		Name: "do_handshake_on_connect", Section: SectionSSL, Flags: []string{"--do-handshake-on-connect"}, Action: StoreTrue, Default: false, Check: AnyBool,
		State: NoEffect, Note: neverWaits,
		Help: "Do the TLS handshake as soon as a client connects.",
	},
	{
		Name: "ciphers", Section: SectionSSL, Flags: []string{"--ciphers"}, Check: anyString,
		Help: "Cipher suites of TLS 1.2 to offer, in OpenSSL's form. Those of TLS 1.3 are not chosen by it, as in OpenSSL.",
	},
}

// ownTLSRows: what Gunicorn does not have.
var ownTLSRows = []Setting{
	{
		Name: "tls_certificates", Section: SectionOwn, Flags: []string{"--tls-certificates"}, Metavar: "CERT[:KEY]", Action: Append, Default: []string{}, Check: ListText, Since: "gosrv",
		Help: "More certificates, chosen by the name that the client asks for (SNI) and by what it can check (RSA beside ECDSA); or a folder, of which each *.crt and *.pem is taken with the *.key beside it. May be repeated. A name that none of them has is answered with the first of all.",
	},
	{
		Name: "tls_self_signed", Section: SectionOwn, Flags: []string{"--tls-self-signed"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Make a certificate for this machine's names, for development: it is good for 30 days, lies in the user's cache folder and is used again. Browsers warn of it. Not with certfile.",
	},
	{
		Name: "tls_min_version", Section: SectionOwn, Flags: []string{"--tls-min-version"}, Metavar: "VERSION", Default: "1.2", Check: tlsVersion, Since: "gosrv",
		Help: "Oldest version of TLS that clients may use: 1.2 or 1.3.",
	},
	{
		Name: "acme_domain", Section: SectionOwn, Flags: []string{"--acme-domain"}, Metavar: "NAME", Action: Append, Default: []string{}, Check: domains, Since: "gosrv",
		Help: "Speak HTTPS with a certificate for this name, got from an ACME directory (Let's Encrypt) and renewed by gosrv itself; may be repeated. The name must lead here: on port 443, by which the directory looks whether it does, or on port 80, see acme_http_bind.",
	},
	{
		Name: "acme_agree", Section: SectionOwn, Flags: []string{"--acme-agree"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "You have read the terms of the directory (Let's Encrypt: https://letsencrypt.org/repository/) and agree to them. Nothing is ordered without it.",
	},
	{
		Name: "acme_email", Section: SectionOwn, Flags: []string{"--acme-email"}, Metavar: "ADDRESS", Check: anyString, Since: "gosrv",
		Help: "Address at which the directory may reach you; it goes into the account there.",
	},
	{
		Name: "acme_directory", Section: SectionOwn, Flags: []string{"--acme-directory"}, Metavar: "URL", Default: "letsencrypt", Check: anyString, Since: "gosrv",
		Help: "Directory to order from: letsencrypt; letsencrypt-staging for trials, whose certificates nobody trusts and whose limits are wide; or the URL of another one.",
	},
	{
		Name: "acme_directory_ca", Section: SectionOwn, Flags: []string{"--acme-directory-ca"}, Metavar: "FILE", Check: anyString, Since: "gosrv",
		Help: "Authorities (PEM) by which the directory itself is known, for one of your own. Without it those of the system.",
	},
	{
		Name: "acme_storage", Section: SectionOwn, Flags: []string{"--acme-storage"}, Metavar: "FOLDER", Check: anyString, Since: "gosrv",
		Help: "Folder for account, certificates and keys; nobody else may look into it. Servers with the same folder share what lies there: one of them renews. Without it $STATE_DIRECTORY/acme (systemd), /var/lib/gosrv/acme for root, else ~/.local/state/gosrv/acme.",
	},
	{
		Name: "acme_http_bind", Section: SectionOwn, Flags: []string{"--acme-http-bind"}, Metavar: "ADDRESS", Check: anyString, Since: "gosrv",
		Help: "Address for plain HTTP, 0.0.0.0:80 as a rule: the directory may ask there as well, and browsers are sent on to https://. The application is not reached by it.",
	},
	{
		Name: "tls_environ", Section: SectionOwn, Flags: []string{"--tls-environ"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Tell the application of TLS in environ, by the names of Apache's mod_ssl: HTTPS, SSL_PROTOCOL, SSL_CIPHER, SSL_CLIENT_VERIFY (NONE or SUCCESS) and, of the certificate that the client has shown, SSL_CLIENT_S_DN, SSL_CLIENT_I_DN, SSL_CLIENT_M_SERIAL and SSL_CLIENT_CERT. No header of a client's makes such a key. Without it, as with Gunicorn, environ[\"gunicorn.socket\"] knows this.",
	},
	{
		Name: "no_tls_watch", Section: SectionOwn, Flags: []string{"--no-tls-watch"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Read certificates at start and at HUP only. Without it a certificate that has been replaced is used for new connections within two seconds, and a broken one is reported and left alone.",
	},
	{
		Name: "no_tls_session_tickets", Section: SectionOwn, Flags: []string{"--no-tls-session-tickets"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Make clients that come back do a whole handshake. Without it they resume with any worker, also after a reload; the keys for that change every 12 hours.",
	},
}
