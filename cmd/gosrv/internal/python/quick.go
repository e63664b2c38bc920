package python

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Running a Python to ask it takes some 20 ms of each start. Its ELF file says the same where nothing is out of the
// ordinary; whatever is not sure here is asked.

// libraryName is the libpython of an ordinary build, or of a debug one; a free-threaded one's name ends in t.
var libraryName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^libpython3\.(\d+)d?\.so\.1\.0$`) })

// programName is what installations call the file itself.
var programName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^python3\.(\d+)d?$`) })

// sinceNine are exported by each CPython from 3.9 on, and not by 3.8.
var sinceNine = []string{"Py_GetVersion", "PyConfig_SetBytesArgv", "PyObject_VectorcallDict"}

// freeThreaded are exported by builds without the GIL only.
var freeThreaded = []string{"_Py_MergeZeroLocalRefcount", "_Py_DecRefShared", "_Py_DecRefSharedDebug"}

// quick gives what is known of the candidate from files alone, nil if it must be asked.
func (q Query) quick(c candidate, f *file) *Python {
	for _, name := range []string{"LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT", "__PYVENV_LAUNCHER__"} {
		if q.Getenv(name) != "" {
			return nil
		}
	}
	path, err := filepath.Abs(c.path)
	if f == nil || err != nil || strings.Contains(c.path, "..") {
		return nil
	}
	library, minor := "", 0
	if f.library != "" {
		library, minor = f.ownLibrary()
	} else if q.Carried {
		minor = f.ownVersion()
	}
	if minor < minMinor {
		return nil
	}
	return &Python{Executable: path, Version: "3." + strconv.Itoa(minor), Library: library, Source: c.source}
}

// ownLibrary is the libpython that the dynamic linker finds by the file's own search path, and its version; 0 if it
// would look elsewhere, too.
func (f *file) ownLibrary() (path string, minor int) {
	match := libraryName().FindStringSubmatch(f.library)
	if match == nil {
		return "", 0
	}
	for _, dir := range f.dirs {
		if !filepath.IsAbs(dir) || strings.Contains(dir, "$") {
			return "", 0
		}
		if p := filepath.Join(dir, f.library); isFile(p) {
			minor, _ = strconv.Atoi(match[1])
			return p, minor
		}
	}
	return "", 0
}

// ownVersion is the version of a Python that is all in its own file; 0 if that does not tell.
func (f *file) ownVersion() int {
	match := programName().FindStringSubmatch(filepath.Base(f.path))
	lacks := func(name string) bool { return !f.exports[name] }
	if match == nil || slices.ContainsFunc(sinceNine, lacks) || !allOf(freeThreaded, lacks) {
		return 0
	}
	minor, _ := strconv.Atoi(match[1])
	return minor
}

func allOf(names []string, holds func(string) bool) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !holds(name) })
}
