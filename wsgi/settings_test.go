package wsgi

import (
	"testing"
	"time"

	"gosrv/wsgi/ipc/workerctl"
)

func TestKeepAliveTime(t *testing.T) {
	for name, x := range map[string]struct {
		g       workerctl.Settings
		idle    time.Duration
		promise int
	}{
		"sync by default":           {workerctl.Settings{WorkerClass: "sync", Threads: 1, Keepalive: 2}, 75 * time.Second, 75},
		"sync, chosen":              {workerctl.Settings{WorkerClass: "sync", Threads: 1, Keepalive: 2, KeepaliveSet: true}, 2 * time.Second, 2},
		"gthread by default":        {workerctl.Settings{WorkerClass: "gthread", Threads: 4, Keepalive: 2}, 2 * time.Second, 2},
		"gthread of one by default": {workerctl.Settings{WorkerClass: "gthread", Threads: 1, Keepalive: 2}, 2 * time.Second, 2},
	} {
		set := newSettings(&x.g)
		if set.Idle != x.idle || !set.KeepAlive || set.Promise != x.promise || set.Overtime != time.Second {
			t.Errorf("%s: %v, promised %d s, closed %v later", name, set.Idle, set.Promise, set.Overtime)
		}
	}
	if set := newSettings(&workerctl.Settings{WorkerClass: "sync", KeepaliveSet: true}); set.KeepAlive {
		t.Error("keepalive 0 keeps connections")
	}
}

func TestSettingsThatSwitchSomething(t *testing.T) {
	for _, on := range []bool{false, true} {
		set := newSettings(&workerctl.Settings{NoEnvironMemo: on, StreamRequestBody: on})
		if set.NoEnvironCache != on || set.StreamBody != on {
			t.Errorf("%t: got %+v", on, set)
		}
	}
}

func TestProxySettingsThatMakeNoSense(t *testing.T) {
	for _, g := range []workerctl.Settings{{ProxyProtocol: "v3"}, {ProxyProtocol: "v1", ProxyAllowIPs: workerctl.List{"localhost"}}} {
		if _, _, err := proxyRules(&g); err == nil {
			t.Errorf("%q from %q is accepted", g.ProxyProtocol, g.ProxyAllowIPs)
		}
	}
}
