package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/libgosrv"
	"gosrv/cmd/gosrv/internal/python"
)

// showVersion obeys --version: Gunicorn's line, then how this program was made; with --verbose beside it also which
// Python would serve, and by which way, having asked that Python. It gives the exit code.
func showVersion(program string) int {
	fmt.Print(config.VersionText())
	info, _ := debug.ReadBuildInfo()
	fmt.Printf("commit %s, %s for %s/%s\n", commit(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Printf("features: %s\n", strings.Join(features(info), ", "))
	if !slices.Contains(os.Args[1:], "--verbose") {
		return 0
	}
	return showPython(program)
}

func showPython(program string) int {
	words := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(word string) bool {
		return word == "--verbose" || word == "--version" || word == "-v"
	})
	cl, err := config.ParseArgs(words, os.Environ())
	if err != nil {
		return fail(err)
	}
	py, err := python.Ask(query(cl, program))
	if err != nil {
		return fail(err)
	}
	fmt.Printf("python %s at %s\n", py.Release, py.Executable)
	fmt.Printf("chosen by: %s\n", py.Source)
	if py.Library != "" {
		fmt.Printf("loaded as a library: %s\n", py.Library)
	} else {
		fmt.Printf("has no library: python itself runs, and loads the worker that gosrv carries\n")
	}
	return 0
}

// revision is the commit that a package was built from, which has no repository around it: -ldflags=-X sets it.
var revision string

// commit gives what the program was built from, "unknown" where neither the build nor a repository has said it.
func commit(info *debug.BuildInfo) string {
	if revision != "" {
		return revision
	}
	found, changed := "unknown", ""
	if info == nil {
		return found
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			found = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	return found + changed
}

// features names what this build can do: its worker classes, the C library whose Pythons it takes, its instruments, and
// whether it is able to serve by a Python that has no library.
func features(info *debug.BuildInfo) []string {
	list := append(config.WorkerClasses(), python.OwnLibc())
	if libgosrv.Carried() {
		list = append(list, "static Python")
	}
	if info == nil {
		return list
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "-pgo":
			list = append(list, "profile-guided")
		case (s.Key == "-race" || s.Key == "-asan") && s.Value == "true":
			list = append(list, "built with "+s.Key)
		}
	}
	return list
}

// query says where to look for Python. program is the path we were started by,
// symlinks and all: the venv it was called from may be only a link to the
// binary.
func query(cl *config.CommandLine, program string) python.Query {
	return python.Query{Flag: namedPython(cl), Binary: program, Getenv: os.Getenv, Carried: libgosrv.Carried()}
}
