package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Validators that look at the machine (users, groups, files) or read a small language of their own.
var (
	userName     = Validator{"validate_user", "a user name or a numeric id", checkUser}
	groupName    = Validator{"validate_group", "a group name or a numeric id", checkGroup}
	directory    = Validator{"validate_chdir", "a directory that exists", checkChdir}
	addresses    = Validator{"validate_list_string", "a string or a list of strings", checkAddresses}
	AddressList  = Validator{"validate_string_to_addr_list", "IP addresses and networks with commas between, or *", checkAddressList}
	className    = Validator{"validate_class", "a name, a dotted path or a class", checkString}
	statsdAddr   = Validator{"validate_statsd_address", "host:port or unix://PATH", checkStatsdAddress}
	reloadEngine = Validator{"validate_reload_engine", "auto, poll or inotify", checkReloadEngine}
	WatchedFiles = Validator{"validate_list_of_files_or_patterns", "files that exist, or patterns with *, ? or [", checkWatchedFiles}
	sslVersion   = Validator{"validate_ssl_version", "anything: the setting is ignored", func(v any) (any, error) { return v, nil }}
	tlsVersion   = Validator{"validate_string", "1.2 or 1.3", checkTLSVersion}
	domains      = Validator{"validate_acme_domain", "names of DNS such as www.example.org", checkDomains}
	proxyMode    = Validator{"validate_proxy_protocol", "off, v1, v2 or auto", checkProxyMode}
	h2cMode      = Validator{"validate_http2_cleartext", "off, prior-knowledge, upgrade or both", checkH2cMode}
	Protocols    = Validator{"validate_http_protocols", "h1, h2 or both with a comma between", checkProtocols}
	hook         = Validator{"_validate_callable", "a function, or the dotted path of one", checkHook}
	headerValue  = Validator{"validate_string", "printable characters, or off", checkHeaderValue}
	healthPath   = Validator{"validate_string", "a path from /", checkHealthPath}
	warmUpURLs   = Validator{"validate_list_string", "paths from /, or URLs of http or https", checkWarmUp}
	PostRequest  = Validator{"validate_post_request", "a function of 2 to 4 arguments, or the dotted path of one", checkHook}
)

func checkUser(v any) (any, error) {
	return checkID(v, os.Geteuid(), func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", fmt.Errorf("No such user: '%s'", name)
		}
		return u.Uid, nil
	})
}

func checkGroup(v any) (any, error) {
	return checkID(v, os.Getegid(), func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", fmt.Errorf("No such group: '%s'", name)
		}
		return g.Gid, nil
	})
}

// checkID accepts a number, digits, or a name that lookup knows; None is own.
func checkID(v any, own int, lookup func(string) (string, error)) (any, error) {
	text, isText := v.(string)
	if v == nil {
		return own, nil
	}
	if !isText {
		if n, err := toInt(v); err == nil {
			return n, nil
		}
		return nil, fmt.Errorf("Value is neither a name nor a number: %s", Str(v))
	}
	if text != "" && strings.Trim(text, "0123456789") == "" {
		return strconv.Atoi(text)
	}
	id, err := lookup(text)
	if err != nil {
		return nil, err
	}
	return strconv.Atoi(id)
}

func checkChdir(v any) (any, error) {
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("Not a string: %s", Str(v))
	}
	path, err := filepath.Abs(Strip(text))
	if !utf8.ValidString(path) {
		return nil, fmt.Errorf("can't chdir to %q: the name is not UTF-8", path)
	}
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("can't chdir to %s", ReprText(Strip(text)))
	}
	return path, nil
}

// checkAddresses takes \0 for the NUL of an abstract socket: no argument and no environment variable can hold one.
func checkAddresses(v any) (any, error) {
	list, err := checkStringList(v)
	if err != nil {
		return nil, err
	}
	for i, text := range list.([]string) {
		for _, scheme := range []string{"unix:", "unix://"} {
			if name, abstract := strings.CutPrefix(text, scheme+`\0`); abstract {
				list.([]string)[i] = scheme + "\x00" + name
			}
		}
	}
	return list, nil
}

// hostName is a name of DNS with a dot in it, without one at its end (RFC 1123 2.1).
var hostName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// checkDomains takes names that a directory can look up.
func checkDomains(v any) (any, error) {
	list, err := checkStringList(v)
	if err != nil {
		return nil, err
	}
	for _, name := range list.([]string) {
		if strings.HasPrefix(name, "*.") {
			return nil, fmt.Errorf("A name with * needs a challenge by DNS, which gosrv does not do: name each host, or let certbot or another client get that certificate and use certfile: %s", Repr(name))
		}
		if len(name) > 253 || !hostName.MatchString(name) {
			return nil, fmt.Errorf("Not a name that a certificate can be ordered for: %s", Repr(name))
		}
	}
	return list, nil
}

func checkTLSVersion(v any) (any, error) {
	text, err := checkString(v)
	if err != nil {
		return nil, err
	}
	if text != "1.2" && text != "1.3" {
		return nil, fmt.Errorf("Not a version of TLS that is spoken: %v", Repr(text))
	}
	return text, nil
}

func checkAddressList(v any) (any, error) {
	list, err := checkCommaList(v)
	if err != nil {
		return nil, err
	}
	for _, item := range list.([]string) {
		if item == "*" {
			continue
		}
		if _, err := ParseNetwork(item); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ParseNetwork reads an address or a network in strict CIDR form (no host bits), IPv4 netmasks such as 10.0.0.0/255.0.0.0
// included: the forms forwarded_allow_ips and proxy_allow_ips take. A plain address is a network of one.
func ParseNetwork(text string) (netip.Prefix, error) {
	address, mask, hasMask := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%s does not appear to be an IPv4 or IPv6 network", ReprText(text))
	}
	bits := ip.BitLen()
	if hasMask {
		if bits, err = maskBits(ip, mask); err != nil {
			return netip.Prefix{}, fmt.Errorf("%s does not appear to be an IPv4 or IPv6 network", ReprText(text))
		}
	}
	network := netip.PrefixFrom(ip, bits)
	if network.Masked() != network {
		return netip.Prefix{}, fmt.Errorf("%s has host bits set", text)
	}
	return network, nil
}

var errMask = errors.New("not a netmask")

// maskBits reads the part after the slash: a length, or for IPv4 a netmask (255.0.0.0) or a host mask (0.255.255.255).
func maskBits(ip netip.Addr, mask string) (int, error) {
	if n, err := strconv.Atoi(mask); err == nil && mask[0] >= '0' && mask[0] <= '9' {
		if n > ip.BitLen() {
			return 0, errMask
		}
		return n, nil
	}
	dotted, err := netip.ParseAddr(mask)
	if err != nil || !ip.Is4() || !dotted.Is4() {
		return 0, errMask
	}
	b := dotted.As4()
	word := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	for n := 0; n <= 32; n++ {
		net := uint32(uint64(0xffffffff) << (32 - n))
		if word == net || word == ^net {
			return n, nil
		}
	}
	return 0, errMask
}

var BareUnixPort = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^unix:\d+$`) })

func checkStatsdAddress(v any) (any, error) {
	text, err := checkString(v)
	if err != nil || text == nil {
		return nil, err
	}
	address := text.(string)
	if strings.HasPrefix(address, "unix:") && !BareUnixPort().MatchString(address) {
		return address, nil
	}
	if fd, ok := strings.CutPrefix(address, "fd://"); ok {
		if _, ok := ReadInt(fd, 10); !ok {
			return nil, errors.New("Value must be one of ('host:port', 'unix://PATH')")
		}
		return address, nil
	}
	port := "8125"
	rest := strings.TrimPrefix(address, "tcp://")
	switch {
	case strings.Contains(rest, "[") && strings.Contains(rest, "]"):
		if _, after, found := strings.Cut(rest, "]:"); found {
			port = after
		}
	case strings.Contains(rest, ":"):
		port = strings.Split(rest, ":")[1]
	}
	if _, ok := ReadInt(port, 10); !ok {
		return nil, errors.New("Value must be one of ('host:port', 'unix://PATH')")
	}
	return address, nil
}

func checkReloadEngine(v any) (any, error) {
	switch v {
	case "auto", "poll", "inotify":
		return v, nil
	}
	return nil, fmt.Errorf("Invalid reload_engine: %s", Repr(v))
}

func checkWatchedFiles(v any) (any, error) {
	list, err := checkStringList(v)
	if err != nil {
		return nil, err
	}
	for _, path := range list.([]string) {
		if strings.ContainsAny(path, "*?[") {
			continue // a pattern may match files that come later
		}
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("File %s does not exist", path)
		}
	}
	return list, nil
}

func checkProxyMode(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return "off", nil
	case bool:
		if v {
			return "auto", nil
		}
		return "off", nil
	case string:
		switch mode := strings.ToLower(Strip(v)); mode {
		case "false", "off", "0", "none":
			return "off", nil
		case "true", "auto", "1":
			return "auto", nil
		case "v1", "v2":
			return mode, nil
		}
		return nil, errors.New("proxy_protocol must be: off, v1, v2, or auto")
	}
	return nil, errors.New("proxy_protocol must be string or bool")
}

func checkH2cMode(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return "off", nil
	case bool:
		if v {
			return "prior-knowledge", nil
		}
		return "off", nil
	case string:
		mode := strings.ToLower(Strip(v))
		switch mode {
		case "off", "prior-knowledge", "upgrade", "both":
			return mode, nil
		}
		return nil, fmt.Errorf("Invalid http2_cleartext: %s", mode)
	}
	return nil, fmt.Errorf("Invalid type for casting: %s", Str(v))
}

func checkProtocols(v any) (any, error) {
	if v == nil {
		return []string{"h1"}, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, errors.New("http_protocols must be a string")
	}
	list := []string{}
	for item := range strings.SplitSeq(text, ",") {
		name := strings.ToLower(Strip(item))
		switch {
		case name == "":
			continue
		case name != "h1" && name != "h2":
			return nil, fmt.Errorf("Invalid protocol '%s'. Valid protocols: h1, h2", name)
		case len(list) > 0 && (list[0] == name || len(list) > 1):
			return nil, errors.New("Duplicate protocols specified")
		}
		list = append(list, name)
	}
	if len(list) == 0 {
		list = append(list, "h1")
	}
	return list, nil
}

// checkHook accepts the dotted path of a function; functions themselves stay in Python and are known by their arity.
func checkHook(v any) (any, error) {
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("Value is not callable: %s", Str(v))
	}
	if !strings.Contains(text, ".") {
		return nil, fmt.Errorf("Value '%s' is not import string. Format: module[.submodules...].object", text)
	}
	return text, nil
}

// checkHeaderValue accepts what may stand in a response header: a line break would begin another one.
func checkHeaderValue(v any) (any, error) {
	text, isText := v.(string)
	if !isText {
		return nil, fmt.Errorf("Not a string: %s", Str(v))
	}
	text = Strip(text)
	for _, r := range text {
		if r < ' ' || r > '~' {
			return nil, fmt.Errorf("not a header value: %s", ReprText(text))
		}
	}
	if text == "" {
		return "off", nil
	}
	return text, nil
}

// checkHealthPath accepts a path as it stands in a request line, which is compared and not decoded.
func checkHealthPath(v any) (any, error) {
	text, isText := v.(string)
	if v != nil && !isText {
		return nil, fmt.Errorf("Not a string: %s", Str(v))
	}
	text = Strip(text)
	if text == "" {
		return nil, nil
	}
	if !strings.HasPrefix(text, "/") || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '?' || r == '#' }) {
		return nil, fmt.Errorf("no path from / as a request has it, in ASCII and without a query: %s", ReprText(text))
	}
	return text, nil
}

// checkWarmUp accepts what the shim's warmup.py can ask for.
func checkWarmUp(v any) (any, error) {
	list, err := checkStringList(v)
	if err != nil {
		return nil, err
	}
	for _, text := range list.([]string) {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" && (u.Scheme != "" || !strings.HasPrefix(text, "/")) || u.Host != "" && u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("neither a path from / nor a URL of http or https: %s", ReprText(text))
		}
	}
	return list, nil
}
