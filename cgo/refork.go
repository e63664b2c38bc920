package cgo

/*
#include "refork.h"
*/
import "C"

import "syscall"

// Refork is gosrv_refork.
func (t Thread) Refork(control, library int) syscall.Errno {
	return syscall.Errno(-C.gosrv_refork(t.c, C.int(control), C.int(library)))
}
