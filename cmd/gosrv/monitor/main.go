// Command gosrv-monitor shows how a gosrv server is, to Prometheus, browsers and
// load balancers, as the child of a master. The program gosrv carries it; package
// monitor says why it is one of its own.
package main

import (
	"errors"
	"fmt"
	"os"

	"gosrv/cmd/gosrv/internal/monitor"
)

func main() {
	order, ordered, err := monitor.TakeOrder()
	if err == nil && !ordered {
		err = errors.New("this program is started by gosrv --metrics-bind ADDRESS")
	}
	if err == nil {
		err = serve(order)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "gosrv: monitor: %v\n", err)
		os.Exit(1)
	}
}
