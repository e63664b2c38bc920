package cgo

/*
#include "pages.h"
*/
import "C"

// DropPages is gosrv_drop_pages.
func (t Thread) DropPages() { C.gosrv_drop_pages(t.c) }
