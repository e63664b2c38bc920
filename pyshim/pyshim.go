// Package pyshim carries the Python part of gosrv: the zygote's control loop, the
// evaluation of gunicorn.conf.py, the import of the application, hooks and logging.
// The master hands it to the zygote through a memfd, since the zygote runs before Go.
package pyshim

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed gosrv_shim/*.py
var sources embed.FS

// bootFile runs first; the other files become modules of the package gosrv_shim.
const bootFile = "boot.py"

// Bundle is what the zygote reads from its memfd: boot.py's text, a NUL, and a JSON
// object from module name to source text.
func Bundle() ([]byte, error) {
	boot, modules := []byte(nil), map[string]string{}
	names, err := fs.Glob(sources, "gosrv_shim/*.py")
	if err != nil {
		return nil, fmt.Errorf("listing the shim: %w", err)
	}
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the shim: %w", err)
		}
		if path.Base(name) == bootFile {
			boot = text
			continue
		}
		modules[strings.TrimSuffix(path.Base(name), ".py")] = string(text)
	}
	rest, err := json.Marshal(modules)
	if err != nil {
		return nil, fmt.Errorf("encoding the shim: %w", err)
	}
	return append(append(boot, 0), rest...), nil
}
