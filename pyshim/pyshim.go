// Package pyshim carries the Python part of gosrv: the zygote's control loop, the
// evaluation of gunicorn.conf.py, the import of the application, hooks and logging;
// and the package gunicorn that stands in for the real one where that is not installed.
// The master hands it to the zygote through a memfd, since the zygote runs before Go.
package pyshim

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed gosrv_shim/*.py gosrv_shim/*/*.py standin/gunicorn/*.py standin/gunicorn/*/*.py
var sources embed.FS

// Installer is the Python program behind `gosrv install-stub`.
//
//go:embed stub/install.py
var Installer string

// StubHook is the module that it puts into an environment.
//
//go:embed stub/gosrv_gunicorn.py
var StubHook string

// bootFile runs first; the other files become modules of the packages gosrv_shim and gunicorn.
const bootFile = "gosrv_shim/boot.py"

// copied modules of the stand-in are the shim's too, because gosrv's own logger does not
// depend on whether a real Gunicorn is installed.
var copied = map[string]string{
	"gunicorn/glogging.py":           "gosrv_shim/glogging.py",
	"gunicorn/instrument/metrics.py": "gosrv_shim/metrics.py",
}

// Bundle is what the zygote reads from its memfd: boot.py's text, a NUL, and a JSON
// object from file name ("gosrv_shim/worker.py", "gosrv_shim/loading/program.py", "gunicorn/app/base.py") to text.
func Bundle() ([]byte, error) {
	boot, files := []byte(nil), map[string]string{}
	err := fs.WalkDir(sources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(name)
		if name == bootFile {
			boot = text
			return err
		}
		files[strings.TrimPrefix(name, "standin/")] = string(text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the shim: %w", err)
	}
	for name, own := range copied {
		files[own] = files[name]
	}
	rest, err := json.Marshal(files)
	if err != nil {
		return nil, fmt.Errorf("encoding the shim: %w", err)
	}
	return append(append(boot, 0), rest...), nil
}
