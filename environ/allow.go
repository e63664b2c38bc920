package environ

import (
	"fmt"
	"net/netip"
	"strings"
)

// AllowList is a set of peers: forwarded_allow_ips or proxy_allow_ips. The zero value allows none.
type AllowList struct {
	all      bool
	networks []netip.Prefix
}

// ParseAllowList reads addresses, networks in CIDR notation without host bits, and "*" for everybody. Blanks
// around an item and empty items are ignored.
func ParseAllowList(items []string) (AllowList, error) {
	var a AllowList
	for _, item := range items {
		switch item = strings.TrimSpace(item); {
		case item == "":
		case item == "*":
			a.all = true
		default:
			n, err := parseNetwork(item)
			if err != nil {
				return AllowList{}, err
			}
			a.networks = append(a.networks, n)
		}
	}
	return a, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%q is no IP address", s)
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	n, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no IP network", s)
	}
	if n.Masked() != n {
		return netip.Prefix{}, fmt.Errorf("%q has host bits set", s)
	}
	return n, nil
}

// Contains says whether a peer is in the list. An IPv4 address on a dual-stack socket counts as IPv4, which
// Gunicorn overlooks; zones are ignored.
func (a *AllowList) Contains(peer netip.Addr) bool {
	if a.all {
		return true
	}
	peer = peer.Unmap().WithZone("")
	for _, n := range a.networks {
		if n.Contains(peer) {
			return true
		}
	}
	return false
}
