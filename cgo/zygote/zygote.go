// Package zygote registers a C constructor that runs before the Go runtime starts. If the
// environment says that this process is the zygote, the constructor takes it over; else it
// returns at once. Only cmd/gosrv may import it: it acts in every binary that links it.
package zygote

/*
#cgo CFLAGS: -I${SRCDIR}/.. -Wall -Wextra -Werror
*/
import "C"

import _ "gosrv/cgo" // process_main lives there
