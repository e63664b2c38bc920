package wsgi

import (
	"fmt"

	"gosrv/environ"
	"gosrv/wsgi/body"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/http1/proxyproto"
	"gosrv/wsgi/ipc/workerctl"
)

// errProxyPeer refuses a PROXY header of a peer that is not in proxy_allow_ips,
// with Gunicorn's status.
var errProxyPeer = &http1.Error{Status: 403, Reason: "PROXY header from a peer that is not in proxy_allow_ips"}

// proxyRules are the settings of the PROXY protocol. The zero value is "off".
type proxyRules struct {
	mode  proxyproto.Mode
	allow environ.AllowList
}

var proxyModes = map[string]proxyproto.Mode{
	"": proxyproto.Off, "off": proxyproto.Off, "v1": proxyproto.V1, "v2": proxyproto.V2, "auto": proxyproto.Auto,
}

// newProxyRules reads proxy_protocol and proxy_allow_ips.
func newProxyRules(g *workerctl.Settings) (p proxyRules, err error) {
	mode, ok := proxyModes[g.ProxyProtocol]
	if !ok {
		return p, fmt.Errorf("proxy_protocol %q is none of off, v1, v2, auto", g.ProxyProtocol)
	}
	if p.allow, err = environ.ParseAllowList(g.ProxyAllowIPs); err != nil {
		return p, fmt.Errorf("proxy_allow_ips: %w", err)
	}
	p.mode = mode
	return p, nil
}

// greet reads the PROXY header at the start of a connection, if there is one.
// It is part of the first head: the same deadline counts. As in Gunicorn a
// connection without it is plain HTTP, and a peer that may not send one is
// refused only if it does; it is not told how it should have been written.
func (p *proxyRules) greet(c *conn) (progress, *body.Refusal) {
	said, n, err := proxyproto.Parse(p.mode, c.in.Unread())
	if err == proxyproto.ErrPartial {
		return incomplete, nil
	}
	c.fresh = false
	var bad *http1.Error
	if err != nil {
		bad = &http1.Error{Status: 400, Reason: err.Error()}
	}
	if (n > 0 || bad != nil) && !c.listener.about.Unix && !p.allow.Contains(c.facts.Peer.Addr()) {
		bad = errProxyPeer
	}
	if bad != nil {
		return refused, invalid(bad)
	}
	if n > 0 {
		c.facts.SetProxied(&said)
		c.in.Consume(n)
	}
	if c.in.Len() == 0 {
		return incomplete, nil
	}
	return complete, nil
}
