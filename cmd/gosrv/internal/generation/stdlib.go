package generation

import "time"

// Stdlib is what a generation's workers share of the standard library with its
// zygote.
type Stdlib struct {
	State StdlibState
	Names []string  // of modules, from Known on
	Since time.Time // when the worker was ordered that is to tell them, while Unknown
}

// StdlibState is how far that is.
type StdlibState int

// The states.
const (
	Apart    StdlibState = iota // each worker imports its own
	Unknown                     // the first worker will tell the names; the others wait
	Known                       // the next zygote that can fork is told them
	Ordered                     // the zygote is told, and may be importing
	Imported                    // it has
)
