package environ

import (
	"fmt"
	"net/netip"
	"strings"
)

// Options are the settings that Rules are made from, by Gunicorn's names.
type Options struct {
	HeaderMap           string            // header_map: "drop" (also ""), "refuse" or "dangerous"
	ForwarderHeaders    []string          // forwarder_headers; "*" = all
	SecureSchemeHeaders map[string]string // secure_scheme_headers
	ForwardedAllowIPs   []string          // forwarded_allow_ips
	ScriptName          string            // SCRIPT_NAME of the process environment
}

// underscore is what becomes of a header name with '_' that no trusted peer vouches for.
type underscore uint8

const (
	drop underscore = iota
	refuse
	dangerous
)

// Rules are the compiled settings, shared by all connections and never changed.
type Rules struct {
	underscore   underscore
	forwardAny   bool
	forwarder    []string // folded
	secureScheme []secureHeader
	allow        AllowList
	scriptName   string
}

// secureHeader says https if it has exactly this value, http with any other.
type secureHeader struct{ name, value string }

// Trusts tells whether a peer of a TCP socket may set the scheme and the forwarder_headers. One of a unix
// socket may, as in Gunicorn.
func (r *Rules) Trusts(peer netip.Addr) bool { return r.allow.Contains(peer) }

// NewRules checks and compiles o.
func NewRules(o Options) (*Rules, error) {
	r := &Rules{scriptName: o.ScriptName}
	switch o.HeaderMap {
	case "", "drop":
		r.underscore = drop
	case "refuse":
		r.underscore = refuse
	case "dangerous":
		r.underscore = dangerous
	default:
		return nil, fmt.Errorf("header_map %q is none of drop, refuse, dangerous", o.HeaderMap)
	}
	for _, name := range o.ForwarderHeaders {
		if name = strings.TrimSpace(name); name == "*" {
			r.forwardAny = true
		}
		r.forwarder = append(r.forwarder, strings.ToLower(name))
	}
	for name, value := range o.SecureSchemeHeaders {
		r.secureScheme = append(r.secureScheme, secureHeader{strings.ToLower(name), value})
	}
	var err error
	if r.allow, err = ParseAllowList(o.ForwardedAllowIPs); err != nil {
		return nil, fmt.Errorf("forwarded_allow_ips: %w", err)
	}
	return r, nil
}
