// Command libgosrv is the worker as a shared library (go build -buildmode=c-shared), for a
// Python without libpython: the program gosrv carries it and hands it to that Python, which
// loads it. cgo/DESIGN.md, "Where Python has no library", has the picture.
package main

import (
	_ "gosrv/cgo/library"
	_ "gosrv/wsgi" // the worker's entry
)

// main is not run in a library.
func main() {}
