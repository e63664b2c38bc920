package acme

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"gosrv/cmd/gosrv/internal/monitor"
)

// Start runs the process that sees to an order. socket listens for plain HTTP, -1 for none;
// file is a challenges.File's. What the process says comes to say, on another goroutine.
func Start(environ []string, order Order, socket, file int, say func(News)) (*monitor.Process, error) {
	set, err := variable.Set(order)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer w.Close()
	p, err := monitor.Run("gosrv: acme", append(environ[:len(environ):len(environ)], set), socket, file, int(w.Fd()))
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	go hear(r, say)
	return p, nil
}

// hear reads the news until the process has ended.
func hear(from io.ReadCloser, say func(News)) {
	defer from.Close()
	for lines := bufio.NewScanner(from); lines.Scan(); {
		var n News
		if json.Unmarshal(lines.Bytes(), &n) == nil {
			say(n)
		}
	}
}
