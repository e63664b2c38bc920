package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/config/help"
)

// wantsManual tells whether the command line is gosrv help or gosrv completion.
// Applications of that name are served as help:application.
func wantsManual(args []string) bool {
	return len(args) > 1 && slices.Contains([]string{"help", "completion"}, args[1])
}

// manual obeys it and gives the exit code.
func manual(args []string) int {
	var text string
	var err error
	switch words := args[2:]; {
	case args[1] == "completion" && len(words) == 1:
		text, err = help.Completion(words[0])
	case args[1] == "completion":
		err = fmt.Errorf("usage: gosrv completion bash|fish|zsh")
	case len(words) == 0 || slices.Contains([]string{"-h", "--help"}, words[0]):
		text = dressed(help.Screen)
	case len(words) > 1:
		err = fmt.Errorf("usage: gosrv help [TOPIC|SETTING]")
	case words[0] == "man":
		text = help.Man()
	default:
		text, err = help.Topic(words[0], columns())
		text = dressed(func(int) string { return text })
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "gosrv %s: %v\n", args[1], err)
		return 2
	}
	fmt.Print(text)
	return 0
}

// columns is the width for texts on standard output: what COLUMNS says, as with
// argparse, else that of the terminal.
func columns() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return help.Fit(n)
	}
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return help.Fit(0)
	}
	return help.Fit(int(size.Col))
}

// dressed gives a text as wide as the terminal, in colour if standard output is
// one and nobody has asked for none (no-color.org).
func dressed(text func(width int) string) string {
	_, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS)
	if err != nil || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text(columns())
	}
	return help.Coloured(text(columns()))
}
