// Package library is how a Python without libpython loads gosrv: as an extension module whose
// Go runtime starts in the forked worker. Only cmd/libgosrv may import it: it acts in every
// binary that links it.
package library

/*
#cgo CFLAGS: -I${SRCDIR}/.. -Wall -Wextra -Werror
*/
import "C"

import _ "gosrv/cgo" // process_library lives there
