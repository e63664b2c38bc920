package wsgi

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"gosrv/environ"
	"gosrv/wsgi/body"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/http1/proxyproto"
	"gosrv/wsgi/http2"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/server"
)

const (
	// idleBehindProxy is the keep-alive time of class sync with keepalive not
	// set: longer than the usual balancer's, which would else meet a
	// connection closed under its request.
	idleBehindProxy = 75 * time.Second
	// idleOvertime is for a request that leaves the client in the last moment
	// of the time it was promised.
	idleOvertime = time.Second
	// reservedFDs are descriptors that the application may need.
	reservedFDs = 64
)

// newSettings translates what the master sent.
func newSettings(g *workerctl.Settings) server.Settings {
	t := server.Settings{
		Header:   seconds(g.HeaderTimeout),
		Body:     seconds(g.BodyTimeout),
		Write:    seconds(g.WriteTimeout),
		Idle:     seconds(g.Keepalive),
		Graceful: seconds(g.GracefulTimeout),
		Timeout:  seconds(g.Timeout),
		Request:  seconds(g.RequestTimeout),
		Sync:     g.WorkerClass == "sync" && g.Threads <= 1,
		Threads:  max(1, g.Threads),
		Backlog:  max(1, g.Backlog),
		MaxConns: g.MaxConnections,
		Bodies: body.Limits{
			Body: g.LimitRequestBody, InBuffer: body.MostInBuffer, InBlocks: body.MostInBlocks, Memory: body.MostLent,
		},
		Own: server.Own{
			StreamBody: g.StreamRequestBody, NoEnvironCache: g.NoEnvironMemo, Server: g.ServerHeader, Health: g.HealthPath, KeepAll: g.NoHandOver,
		},
	}
	if !g.KeepaliveSet && g.WorkerClass == "sync" && t.Threads == 1 {
		t.Idle = idleBehindProxy
	}
	t.HTTP2 = newHTTP2(g)
	t.MaxEngaged = math.MaxInt
	if (t.Threads > 1 || g.Greenlets()) && g.WorkerConnections > 0 {
		t.MaxEngaged = g.WorkerConnections
	}
	t.KeepAlive = t.Idle > 0
	t.Promise, t.Overtime = int(t.Idle/time.Second), idleOvertime
	t.Parting = server.UsualParting
	if t.MaxConns == 0 {
		t.MaxConns = max(loop.Descriptors(), 2*reservedFDs) - reservedFDs
	}
	return t
}

// newHTTP2 is the part of HTTP/2. Without TLS it is for those with h2 among the protocols, too.
func newHTTP2(g *workerctl.Settings) server.HTTP2 {
	offered := slices.Contains(strings.Split(g.HTTPProtocols, ","), "h2")
	clear := func(mode string) bool {
		return offered && (g.HTTP2Cleartext == mode || g.HTTP2Cleartext == "both")
	}
	return server.HTTP2{
		Settings: http2.Settings{
			Streams: g.HTTP2MaxConcurrentStreams, Window: g.HTTP2InitialWindowSize,
			Frame: g.HTTP2MaxFrameSize, List: g.HTTP2MaxHeaderListSize,
		},
		Offered: offered, Prior: clear("prior-knowledge"), Upgrade: clear("upgrade"),
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// newPolicy is the parser's part of the settings. A single field larger than
// the usual head raises the bound of the whole head with it.
func newPolicy(g *workerctl.Settings) http1.Policy {
	head := http1.DefaultHeadSize
	if n := g.LimitRequestLine + 4*g.LimitRequestFieldSize; n > head {
		head = min(n, loop.LargeBuffer-loop.MediumBuffer)
	}
	return http1.Policy{
		RequestLine:           g.LimitRequestLine,
		Fields:                g.LimitRequestFields,
		FieldSize:             g.LimitRequestFieldSize,
		HeadSize:              head,
		PermitMethod:          g.PermitUnconventionalHTTPMethod,
		CasefoldMethod:        g.CasefoldHTTPMethod,
		PermitVersion:         g.PermitUnconventionalHTTPVersion,
		StripHeaderSpaces:     g.StripHeaderSpaces,
		PermitObsoleteFolding: g.PermitObsoleteFolding,
		PermitMissingHost:     g.PermitMissingHost,
		PermitFragment:        g.PermitFragment,
	}
}

// newRules is environ's part of the settings.
func newRules(g *workerctl.Settings, script string) (*environ.Rules, error) {
	return environ.NewRules(environ.Options{
		HeaderMap:           g.HeaderMap,
		ForwarderHeaders:    g.ForwarderHeaders,
		SecureSchemeHeaders: g.SecureSchemeHeaders,
		ForwardedAllowIPs:   g.ForwardedAllowIPs,
		ScriptName:          script,
	})
}

var proxyModes = map[string]proxyproto.Mode{
	"": proxyproto.Off, "off": proxyproto.Off, "v1": proxyproto.V1, "v2": proxyproto.V2, "auto": proxyproto.Auto,
}

// proxyRules reads proxy_protocol and proxy_allow_ips: the peers that may send a PROXY header.
func proxyRules(g *workerctl.Settings) (mode proxyproto.Mode, allowed environ.AllowList, err error) {
	mode, ok := proxyModes[g.ProxyProtocol]
	if !ok {
		return mode, allowed, fmt.Errorf("proxy_protocol %q is none of off, v1, v2, auto", g.ProxyProtocol)
	}
	if allowed, err = environ.ParseAllowList(g.ProxyAllowIPs); err != nil {
		return mode, allowed, fmt.Errorf("proxy_allow_ips: %w", err)
	}
	return mode, allowed, nil
}
