package wsgi

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/environ"
	"gosrv/wsgi/body"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
)

// settings is what the loop needs of Gunicorn's settings, in its own units.
// A time of 0 is "never".
type settings struct {
	header, body, write, idle time.Duration
	graceful                  time.Duration
	timeout, request          time.Duration // timeout, request_timeout
	sync                      bool          // the class is sync: timeout counts a request's time
	overtime                  time.Duration // an idle connection gets so much more than idle
	parting                   parting
	promise                   int // seconds of Keep-Alive: timeout=N; 0: none is given
	keepAlive                 bool
	threads                   int
	backlog                   int
	maxConns                  int
	maxEngaged                int         // worker_connections: connections with a complete request
	bodies                    body.Limits // limit_request_body, and where bodies lie
	streamBody                bool        // stream_request_body
	noEnvironCache            bool        // no_environ_memo
	reforks                   bool        // refork_after is set
	tmpDir                    string      // tmp_upload_dir; "": the system's
	script                    string      // SCRIPT_NAME
	server                    string      // server_header
}

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

// newSettings translates what the master sent. script is the SCRIPT_NAME of the
// process environment.
func newSettings(g *workerctl.Settings, script string) settings {
	t := settings{
		header:   seconds(g.HeaderTimeout),
		body:     seconds(g.BodyTimeout),
		write:    seconds(g.WriteTimeout),
		idle:     seconds(g.Keepalive),
		graceful: seconds(g.GracefulTimeout),
		timeout:  seconds(g.Timeout),
		request:  seconds(g.RequestTimeout),
		sync:     g.WorkerClass == "sync" && g.Threads <= 1,
		threads:  max(1, g.Threads),
		backlog:  max(1, g.Backlog),
		maxConns: g.MaxConnections,
		bodies: body.Limits{
			Body: g.LimitRequestBody, InBuffer: body.MostInBuffer, InBlocks: body.MostInBlocks, Memory: body.MostLent,
		},
		streamBody:     g.StreamRequestBody,
		noEnvironCache: g.NoEnvironMemo,
		reforks:        g.ReforkAfter > 0,
		tmpDir:         g.TmpUploadDir,
		script:         script,
		server:         g.ServerHeader,
	}
	if !g.KeepaliveSet && g.WorkerClass == "sync" && t.threads == 1 {
		t.idle = idleBehindProxy
	}
	t.maxEngaged = math.MaxInt
	if t.threads > 1 && g.WorkerConnections > 0 {
		t.maxEngaged = g.WorkerConnections
	}
	t.keepAlive = t.idle > 0
	t.promise, t.overtime = int(t.idle/time.Second), idleOvertime
	t.parting = parting{lingerTime, lastIdle, lastLinger}
	if t.maxConns == 0 {
		t.maxConns = descriptors() - reservedFDs
	}
	return t
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// descriptors is the process's limit of open files.
func descriptors() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<20 {
		return 1 << 20
	}
	return max(int(l.Cur), 2*reservedFDs)
}

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
