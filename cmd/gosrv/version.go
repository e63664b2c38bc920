package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/libgosrv"
	"gosrv/cmd/gosrv/internal/python"
)

// showVersion obeys --version; with --verbose beside it it says which Python
// would serve, and by which way, having asked that Python. It gives the exit
// code.
func showVersion(program string) int {
	fmt.Print(config.VersionText())
	if !slices.Contains(os.Args[1:], "--verbose") {
		return 0
	}
	words := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(word string) bool {
		return word == "--verbose" || word == "--version" || word == "-v"
	})
	cl, err := config.ParseArgs(words, os.Environ())
	if err != nil {
		return fail(err)
	}
	fmt.Printf("built by %s for %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
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

// query says where to look for Python. program is the path we were started by,
// symlinks and all: the venv it was called from may be only a link to the
// binary.
func query(cl *config.CommandLine, program string) python.Query {
	return python.Query{Flag: namedPython(cl), Binary: program, Getenv: os.Getenv, Carried: libgosrv.Carried()}
}
