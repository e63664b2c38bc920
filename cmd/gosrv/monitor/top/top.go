// Package top is `gosrv top`: how a server is, second by second, in a terminal.
package top

import (
	"flag"
	"fmt"
	"io"
	"os"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/view"
	"gosrv/cmd/gosrv/monitor/history"
)

const usage = `usage: gosrv top [--pid FILE]

  --pid FILE   the server's pidfile; without it, the only server of this user

  arrows  choose a worker    t  its Python stacks    s  sort    p  pause
  r  reload    +  one worker more    -  one worker less    q  leave
`

// Exit codes, as those of gosrv status.
const (
	done       = 0
	failed     = 1
	misused    = 2
	notRunning = 3
)

// Run shows the server that args mean until the user leaves, and gives the exit code.
func Run(args []string, out, errors io.Writer) int {
	flags := flag.NewFlagSet("gosrv top", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	pidfile := flags.String("pid", "", "")
	flags.StringVar(pidfile, "p", "", "")
	if err := flags.Parse(args); err == flag.ErrHelp {
		fmt.Fprint(out, usage)
		return done
	} else if err != nil || flags.NArg() > 0 {
		fmt.Fprint(errors, usage)
		return misused
	}
	master, err := status.Find(*pidfile)
	if err != nil {
		fmt.Fprintf(errors, "gosrv top: %v\n", err)
		return notRunning
	}
	if _, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS); err != nil {
		fmt.Fprintln(errors, "gosrv top: this is no terminal; gosrv status --json says the same to programs")
		return misused
	}
	source, err := view.Open(master.PID)
	if err != nil {
		fmt.Fprintf(errors, "gosrv top: %v\n", err)
		return notRunning
	}
	defer source.Close()
	end, err := tea.NewProgram(newModel(master.PID, history.New(source)), tea.WithAltScreen()).Run()
	if err != nil {
		fmt.Fprintf(errors, "gosrv top: %v\n", err)
		return failed
	}
	if m, ok := end.(*model); ok && m.ended {
		fmt.Fprintf(out, "The server (pid %d) has ended\n", master.PID)
	}
	return done
}
