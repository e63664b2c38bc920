package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/monitor"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/view"
	"gosrv/cmd/gosrv/monitor/history"
	"gosrv/cmd/gosrv/monitor/issuer"
	"gosrv/cmd/gosrv/monitor/web"
	"gosrv/wsgi/ipc/challenges"
)

const (
	// modesty is how much less of a busy processor this process gets than a worker
	// (nice): whoever asks a thousand times a second must not slow the service down.
	modesty = 5
	// memory is what the collector keeps to, in bytes.
	memory = 24 << 20
)

// serve shows the master's server at the socket that it has passed, until the
// master ends.
func serve(order monitor.Order) error {
	ctx := settle()
	file := os.NewFile(monitor.SocketFD, "metrics_bind")
	socket, err := net.FileListener(file)
	if err != nil {
		return fmt.Errorf("taking the socket of metrics_bind over: %w", err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	if path, ok := socket.(*net.UnixListener); ok {
		path.SetUnlinkOnClose(false) // it is the master's
	}
	source, err := view.Open(order.Master)
	if errors.Is(err, status.ErrNoMaster) {
		return nil // it ended meanwhile
	}
	if err != nil {
		return err
	}
	_, local := socket.(*net.UnixListener)
	return web.New(history.New(source), order.Token, local).Serve(ctx, socket)
}

// settle makes this process a modest child, which ends with its master.
func settle() context.Context {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, modesty)
	runtime.GOMAXPROCS(1)
	debug.SetMemoryLimit(memory)
	// They are the master's: a terminal sends them to the whole group.
	signal.Ignore(unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGTTIN, unix.SIGTTOU)
	ctx, cancel := context.WithCancel(context.Background())
	go untilEnd(cancel)
	return ctx
}

// issue sees to an order for certificates until the master ends.
func issue(order acme.Order) error {
	ctx := settle()
	s := issuer.New(order, challenges.Of(acme.ChallengesFD), os.NewFile(acme.NewsFD, "news"))
	if order.HTTP {
		file := os.NewFile(acme.SocketFD, "acme_http_bind")
		socket, err := net.FileListener(file)
		if err != nil {
			return fmt.Errorf("taking the socket of acme_http_bind over: %w", err)
		}
		_ = file.Close()
		if path, ok := socket.(*net.UnixListener); ok {
			path.SetUnlinkOnClose(false) // it is the master's
		}
		go s.ServeHTTP(socket)
	}
	return s.Run(ctx)
}

// untilEnd ends the process with its master, whose end of a pipe closes then.
func untilEnd(cancel func()) {
	var b [1]byte
	_, _ = os.NewFile(monitor.LifeFD, "life").Read(b[:])
	cancel()
	os.Exit(0)
}
