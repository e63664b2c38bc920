package main

import (
	"fmt"
	"os"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/config/help"
	"gosrv/cmd/gosrv/internal/libgosrv"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/master"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/python"
	"gosrv/cmd/gosrv/internal/stdlib"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/cmd/gosrv/internal/title"
	"gosrv/cmd/gosrv/internal/upgrade"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/pyshim"
	"gosrv/wsgi/osthread"
)

// serve is the master's whole life; it gives the exit code. detached: the
// daemon setting has been obeyed.
func serve(detached bool) int {
	area := title.Own() // before anything keeps a piece of os.Args
	options, order, err := prepare(detached)
	if err != nil {
		return fail(err)
	}
	switch order {
	case config.ShowHelp:
		fmt.Print(dressed(help.Screen))
		return 0
	case config.ShowVersion:
		return showVersion(options.Start.Program)
	}
	options.Title = area.Set
	osthread.Keep(osthread.Usual)
	m, err := master.New(options)
	if err != nil {
		return fail(err)
	}
	return m.Run()
}

// prepare finds out what to serve, with which Python, and who started us.
func prepare(detached bool) (o master.Options, order config.Order, err error) {
	o = master.Options{Version: config.Version, Argv: os.Args, Detached: detached}
	if o.Start, err = upgrade.Remember(); err != nil { // before the environment is cleaned
		return o, config.Run, err
	}
	if o.Origin, err = upgrade.Inherit(); err != nil {
		return o, config.Run, err
	}
	o.Activated = listen.Activated()
	o.Manager = systemd.Find(os.Getenv, os.Getpid())
	cl, err := config.ParseArgs(os.Args[1:], os.Environ())
	if err != nil || cl.Order != config.Run {
		order := config.Run
		if cl != nil {
			order = cl.Order
		}
		return o, order, err
	}
	if _, err := os.Readlink("/proc/self/exe"); err != nil {
		return o, config.Run, fmt.Errorf("/proc is not mounted here (%w), and gosrv starts itself again from /proc/self/exe: mount -t proc proc /proc", err)
	}
	py, err := python.Find(query(cl, o.Start.Program))
	if err != nil {
		return o, config.Run, err
	}
	o.ConfigPath, o.ConfigExplicit = cl.ConfigFile()
	if o.Program = cl.Program(); o.Program != "" {
		o.Argv, o.Defaults = append([]string{o.Program}, cl.Args...), cl.Defaults()
	}
	o.Image.Python, o.Image.Library, o.Image.Release, o.About = py.Executable, py.Library, py.Release, py.String()
	o.Interpreter = fmt.Sprintf("Python %s (%s)", py.Version, py.Executable)
	if o.Image.Library == "" {
		o.Image.Worker = libgosrv.Bytes()
	}
	o.Image.Shim, o.Image.Second, o.Stdlib = pyshim.Bundle, libgosrv.Open, stdlib.UserCache()
	o.Resolve = func(loaded zygotectl.ConfigLoaded) (*plan.Plan, error) { return resolve(cl, loaded) }
	return o, config.Run, nil
}

// namedPython is what --python says; GOSRV_PYTHON is left to the search, which
// then names it in its messages.
func namedPython(cl *config.CommandLine) string {
	if p := cl.Python(); p != os.Getenv("GOSRV_PYTHON") {
		return p
	}
	return ""
}
