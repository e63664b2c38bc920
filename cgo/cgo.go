// Package cgo is the only place that says import "C": the C core that embeds CPython,
// and its plain Go face. It has no policy; package cpython gives it meaning.
//
// Read DESIGN.md for who owns what, on which thread, with or without the GIL.
package cgo

/*
#cgo CFLAGS: -O2 -g -Wall -Wextra -Werror -std=gnu11 -fvisibility=hidden -fno-strict-aliasing
#cgo LDFLAGS: -ldl -lpthread
*/
import "C"
