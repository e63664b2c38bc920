package environ

import (
	"slices"

	"gosrv/wsgi/call"
)

// keys are the environ keys of the slots, in lower case.
var keys = map[string]Slot{
	"request_method": RequestMethod, "raw_uri": RawURI, "path_info": PathInfo, "query_string": QueryString,
	"server_protocol": ServerProtocol, "script_name": ScriptName, "remote_addr": RemoteAddr, "remote_port": RemotePort,
	"server_name": ServerName, "server_port": ServerPort,
}

// proxyNames are the keys that a PROXY header gives, in the order of Desc.
var proxyNames = [proxyKeys]string{"proxy_protocol", "proxy_addr", "proxy_port"}

// secureNames are the keys of call.Secured.
var secureNames = [len(call.Secured{})]string{"https", "ssl_protocol", "ssl_cipher", "ssl_client_verify", "ssl_client_s_dn",
	"ssl_client_i_dn", "ssl_client_m_serial", "ssl_client_cert"}

// Text is the string of a slot; nil if it is absent. buf is the one given to Pack.
func (p *Packed) Text(buf []byte, s Slot) []byte { return p.at(buf, 2*int(s)) }

// Lookup is the value of an environ key, given in lower case; nil if Pack does not set it. It is for the access
// log: it walks the headers. buf is the one given to Pack.
func (p *Packed) Lookup(buf []byte, key string) []byte {
	if s, ok := keys[key]; ok {
		return p.Text(buf, s)
	}
	behind := 2*int(NSlots) + 4*p.Headers
	if p.Proxied {
		if i := slices.Index(proxyNames[:], key); i >= 0 {
			return p.at(buf, behind+2*i)
		}
		behind += 2 * proxyKeys
	}
	if p.Secured {
		if i := slices.Index(secureNames[:], key); i >= 0 {
			return p.at(buf, behind+2*i)
		}
	}
	name, plain := key, true // Content-Type and Content-Length have keys without HTTP_
	if len(key) > len("http_") && key[:len("http_")] == "http_" {
		name, plain = key[len("http_"):], false
	}
	for i := range p.Headers {
		at := 2*int(NSlots) + 4*i
		if sent := p.span(buf, p.Desc[at], nameLen(p.Desc[at+1])); keyNames(name, sent) && plain == isPlain(sent) {
			return p.at(buf, at+2)
		}
	}
	return nil
}

// at is the string whose offset and length begin at Desc[i].
func (p *Packed) at(buf []byte, i int) []byte {
	if p.Desc[i+1] == Absent {
		return nil
	}
	return p.span(buf, p.Desc[i], p.Desc[i+1])
}

// span is the string of n bytes at an offset of Desc.
func (p *Packed) span(buf []byte, off, n uint32) []byte {
	if off&InExtra != 0 {
		buf, off = p.Extra, off&^InExtra
	}
	return buf[off : off+n : off+n]
}

// keyNames tells whether a header makes this key, given without HTTP_.
func keyNames(key string, header []byte) bool {
	if len(key) != len(header) {
		return false
	}
	for i := range header {
		if fold[header[i]] != key[i] {
			return false
		}
	}
	return true
}

// isPlain tells the two headers that CGI names without HTTP_; with an underscore they are others.
func isPlain(header []byte) bool {
	const split = len("content")
	return len(header) > split && header[split] == '-' && (keyNames("content_type", header) || keyNames("content_length", header))
}
