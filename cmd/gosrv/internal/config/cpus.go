package config

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"go.uber.org/automaxprocs/maxprocs"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// workersFor is the one rule behind workers = auto, Gunicorn's own advice.
func workersFor(processors int) int { return 2*processors + 1 }

// processors says how many processors this process may use and, in words, what says so: the variable GOMAXPROCS, the
// CPU quota of the container, or the processors it may run on.
func processors() (n int, why string, err error) {
	quota := 0.0
	undo, err := maxprocs.Set(maxprocs.RoundQuotaFunc(func(q float64) int {
		quota = q
		return max(1, int(q))
	}))
	if err != nil {
		return 0, "", &Error{Message: "workers = auto: the CPU quota cannot be read: " + err.Error()}
	}
	undo()
	n = runtime.NumCPU()
	switch said := os.Getenv("GOMAXPROCS"); {
	case said != "":
		return runtime.GOMAXPROCS(0), "GOMAXPROCS=" + said, nil
	case quota > 0 && max(1, int(quota)) < n:
		return max(1, int(quota)), "CPU quota " + strconv.FormatFloat(quota, 'g', 3, 64), nil
	}
	return n, "as many as this process may run on", nil
}

// size settles workers = auto.
func (cfg *Config) size() error {
	if _, auto := cfg.values["workers"].(settings.Auto); !auto {
		return nil
	}
	n, why, err := processors()
	if err != nil {
		return err
	}
	cfg.values["workers"] = workersFor(n)
	cfg.sizing = fmt.Sprintf("2 x %d processors + 1 (auto: %s)", n, why)
	return nil
}
