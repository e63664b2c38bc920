// Command gosrv-monitor is what a gosrv server needs beside it, and not in each worker's
// memory. It shows how the server is: to Prometheus, browsers and load balancers as the
// child of a master, and to a terminal as `gosrv top`; and as another child it gets the
// master certificates. The program gosrv carries it; package monitor says why it is one of its own.
package main

import (
	"fmt"
	"os"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/monitor"
	"gosrv/cmd/gosrv/monitor/top"
)

func main() {
	if wanted, ordered, err := acme.TakeOrder(); ordered {
		if err == nil {
			err = issue(wanted)
		}
		fail(err)
		return
	}
	order, ordered, err := monitor.TakeOrder()
	if err == nil && !ordered {
		os.Exit(top.Run(os.Args[min(len(os.Args), 2):], os.Stdout, os.Stderr))
	}
	if err == nil {
		err = serve(order)
	}
	fail(err)
}

// fail ends the process if there is an error.
func fail(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "gosrv: monitor: %v\n", err)
		os.Exit(1)
	}
}
