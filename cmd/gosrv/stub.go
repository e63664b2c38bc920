package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"gosrv/cmd/gosrv/internal/libgosrv"
	"gosrv/cmd/gosrv/internal/python"
	"gosrv/cmd/gosrv/internal/upgrade"
	"gosrv/pyshim"
)

const stubUsage = `usage: gosrv install-stub [--undo] [--system] [--python PATH]

Makes both ` + "`gunicorn ...` and `python -m gunicorn ...`" + ` start gosrv in one Python environment,
also where another program runs them (mlflow server and others run sys.executable -m gunicorn).
The environment is the one that gosrv would serve by. An installed Gunicorn stays as it is;
it may be installed, upgraded or removed meanwhile.

  --undo          take the stub away again
  --python PATH   the environment of this Python
  --system        also where that is no virtual environment
`

// wantsStub tells whether the command line is gosrv install-stub. No Python
// module can have that name.
func wantsStub(args []string) bool { return len(args) > 1 && args[1] == "install-stub" }

// installStub obeys it and gives the exit code. The work is done by a Python
// program, in the environment that it is about.
func installStub(args []string) int {
	flags := flag.NewFlagSet("gosrv install-stub", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	undo, system, named := flags.Bool("undo", false, ""), flags.Bool("system", false, ""), flags.String("python", "", "")
	if err := flags.Parse(args[2:]); err == flag.ErrHelp {
		fmt.Print(stubUsage)
		return 0
	} else if err != nil || flags.NArg() > 0 {
		fmt.Fprint(os.Stderr, stubUsage)
		return 2
	}
	start, err := upgrade.Remember()
	if err != nil {
		return fail(err)
	}
	py, err := python.Find(python.Query{Flag: *named, Binary: start.Program, Getenv: os.Getenv, Carried: libgosrv.Carried()})
	if err != nil {
		return fail(err)
	}
	order := "install"
	if *undo {
		order = "undo"
	}
	// -I: what PYTHONPATH and the working directory hold is none of the environment.
	cmd := exec.Command(py.Executable, "-I", "-c", pyshim.Installer, order, start.Program, fmt.Sprint(*system))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(pyshim.StubHook), os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) { // it has said why
		return max(exit.ExitCode(), 1)
	}
	return failing(err)
}
