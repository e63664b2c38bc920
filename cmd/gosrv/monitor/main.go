// Command gosrv-monitor shows how a gosrv server is: to Prometheus, browsers and
// load balancers as the child of a master, and to a terminal as `gosrv top`. The
// program gosrv carries it; package monitor says why it is one of its own.
package main

import (
	"fmt"
	"os"

	"gosrv/cmd/gosrv/internal/monitor"
	"gosrv/cmd/gosrv/monitor/top"
)

func main() {
	order, ordered, err := monitor.TakeOrder()
	if err == nil && !ordered {
		os.Exit(top.Run(os.Args[min(len(os.Args), 2):], os.Stdout, os.Stderr))
	}
	if err == nil {
		err = serve(order)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "gosrv: monitor: %v\n", err)
		os.Exit(1)
	}
}
