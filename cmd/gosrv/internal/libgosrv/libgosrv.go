// Package libgosrv carries the worker as a shared library (cmd/libgosrv), which a Python
// without libpython loads. `make` builds the library before the program; in a program of
// a plain `go build` it may be missing.
package libgosrv

import (
	"embed"
	"io/fs"
)

//go:embed built
var built embed.FS

// Bytes is the library's file, nil if this program was built without it.
func Bytes() []byte {
	file, err := built.ReadFile("built/libgosrv.so")
	if err != nil {
		return nil
	}
	return file
}

// Open opens the library's file.
func Open() (fs.File, error) { return built.Open("built/libgosrv.so") }

// Carried tells whether Bytes has something to give.
func Carried() bool {
	file, err := built.Open("built/libgosrv.so")
	if err != nil {
		return false
	}
	return file.Close() == nil
}
