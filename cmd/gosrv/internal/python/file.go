package python

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"gosrv/cmd/gosrv/internal/config"
)

// file is what the ELF file of an interpreter says of itself, without being run.
type file struct {
	path    string // with symlinks resolved
	class   elf.Class
	machine elf.Machine
	linker  string   // the dynamic linker it asks for, "" if it asks for none
	library string   // name of the libpython it is linked to, "" if it has Python in itself
	dirs    []string // its own search path for libraries, with $ORIGIN resolved
	exports map[string]bool
}

// readFile reads path. It gives nil for what is no ELF file: a script (pyenv's shims), or nothing at all.
func readFile(path string) *file {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	f, err := elf.Open(real)
	if err != nil {
		return nil
	}
	defer f.Close()
	out := &file{path: real, class: f.Class, machine: f.Machine, exports: map[string]bool{}}
	if out.linker, err = linkerOf(f); err != nil {
		return nil
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return nil
	}
	for _, name := range needed {
		if strings.HasPrefix(name, "libpython") {
			out.library = name
		}
	}
	out.readDirs(f)
	symbols, _ := f.DynamicSymbols() // none is no error here: nothing is exported then
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			out.exports[s.Name] = true
		}
	}
	return out
}

// linkerOf is the dynamic linker that a program asks for, "" if it asks for none.
func linkerOf(f *elf.File) (string, error) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			text := make([]byte, p.Filesz)
			if _, err := p.ReadAt(text, 0); err != nil {
				return "", err
			}
			return strings.TrimRight(string(text), "\x00"), nil
		}
	}
	return "", nil
}

// readDirs takes the search path; the newer tag hides the older one.
func (f *file) readDirs(from *elf.File) {
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		lists, _ := from.DynString(tag)
		for _, list := range lists {
			for _, dir := range strings.Split(list, ":") {
				dir = strings.ReplaceAll(strings.ReplaceAll(dir, "${ORIGIN}", "$ORIGIN"), "$ORIGIN", filepath.Dir(f.path))
				f.dirs = append(f.dirs, dir)
			}
		}
		if len(f.dirs) > 0 {
			return
		}
	}
}

// machines are those that gosrv is built for, with their everyday names.
var machines = map[string]struct {
	machine elf.Machine
	name    string
	tag     string // in the names of wheels
}{"amd64": {elf.EM_X86_64, "x86-64", "x86_64"}, "arm64": {elf.EM_AARCH64, "arm64", "aarch64"}}

// check finds what can never work with this program; c names the file for the message.
func (f *file) check(c candidate) error {
	own := machines[runtime.GOARCH]
	switch {
	case f.machine != own.machine || f.class != elf.ELFCLASS64:
		other := strings.ToLower(strings.TrimPrefix(f.machine.String(), "EM_"))
		for _, m := range machines {
			if m.machine == f.machine {
				other = m.name
			}
		}
		if f.class == elf.ELFCLASS32 {
			other += " with 32 bits"
		}
		return &Error{fmt.Sprintf("%s (%s) is built for %s, this gosrv for %s", c.path, c.source, other, own.name),
			"pass --python with a Python for " + own.name + ", or install the gosrv for " + other + " (pip install gosrv by that Python)"}
	case f.linker != "" && libc(f.linker) != OwnLibc():
		return f.wrongLibc(c)
	case f.linker != "" && !exists(f.linker):
		return &Error{fmt.Sprintf("%s (%s) needs the dynamic linker %s, which is not there", c.path, c.source, f.linker),
			"the file was made for another system: make the virtual environment again on this one, or pass --python"}
	}
	return nil
}

// libcs are the C libraries that gosrv is built for: what their wheels are tagged with, and a word about where they are.
var libcs = map[string]struct{ tag, where string }{
	"glibc": {"manylinux_2_17", "the image python:3-slim has one"},
	"musl":  {"musllinux_1_2", "the image python:3-alpine has one"},
}

// libc is the C library of a dynamic linker.
func libc(linker string) string {
	if strings.Contains(filepath.Base(linker), "musl") {
		return "musl"
	}
	return "glibc"
}

// OwnLibc is the C library that this program runs by.
var OwnLibc = sync.OnceValue(func() string {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return "glibc"
	}
	defer f.Close()
	linker, err := linkerOf(f)
	if err != nil {
		return "glibc"
	}
	return libc(linker)
})

// wrongLibc says which gosrv goes with that Python: the two share a process, and a process has one C library.
func (f *file) wrongLibc(c candidate) *Error {
	theirs, own := libc(f.linker), OwnLibc()
	wheel := fmt.Sprintf("gosrv-%s-py3-none-%s_%s.whl", config.Version, libcs[theirs].tag, machines[runtime.GOARCH].tag)
	return &Error{fmt.Sprintf("%s (%s) is built for %s (%s), this gosrv for %s", c.path, c.source, theirs, f.linker, own),
		fmt.Sprintf("install the gosrv for %s (%s -m pip install gosrv; pip takes %s), or pass --python with a Python built for %s (%s)",
			theirs, c.path, wheel, own, libcs[own].where)}
}

// checkBase finds a virtual environment whose base Python is gone: a symlink into nothing, or a copy without a library; or
// one that this user may not use.
func (c candidate) checkBase() error {
	bin := filepath.Dir(c.path)
	venv := filepath.Dir(bin)
	cfg := readConfig(filepath.Join(venv, "pyvenv.cfg"))
	base := ""
	for _, path := range []string{c.path, cfg["home"]} {
		if err := c.refused(path); err != nil {
			return err
		}
	}
	if _, err := os.Stat(c.path); errors.Is(err, fs.ErrNotExist) {
		base = deadEnd(c.path)
	}
	if home := cfg["home"]; base == "" && home != "" && !exists(home) {
		base = home
	}
	switch {
	case base == "":
		return nil
	case cfg == nil:
		return &Error{fmt.Sprintf("%s: %s is a link to %s, which is gone", c.source, c.path, base), "pass --python with a Python that is there"}
	}
	version := cfg["version"] + cfg["version_info"]
	return &Error{fmt.Sprintf("%s: the virtual environment %s was made from Python %s in %s, which is gone", c.source, venv, version, base),
		"make it again with a Python that is there: python3 -m venv --clear " + venv + ", and install its packages"}
}

// deadEnd follows symlinks to the name that does not exist; "" if path itself is that name.
func deadEnd(path string) string {
	at := path
	for range 40 { // as the kernel does
		next, err := os.Readlink(at)
		if err != nil {
			break
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(at), next)
		}
		at = next
	}
	if at == path {
		return ""
	}
	return at
}

// readConfig reads a pyvenv.cfg: keys in lower case. nil if there is none.
func readConfig(path string) map[string]string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	values := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		if key, value, found := strings.Cut(line, "="); found {
			values[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	return values
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
