package python

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gosrv/cmd/gosrv/internal/config"
)

// pythons are those that this machine has by name, each asked.
func pythons(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/usr/bin/python3", "/usr/local/bin/python3", os.Getenv("PYENV_ROOT") + "/versions/3.*/bin/python3", os.Getenv("GOSRV_PYTHON")} {
		matches, _ := filepath.Glob(pattern)
		found = append(found, matches...)
	}
	if p, err := exec.LookPath("python3"); err == nil {
		found = append(found, p)
	}
	return found
}

func TestFilesSayWhatPythonSays(t *testing.T) {
	for _, carried := range []bool{true, false} {
		for _, path := range pythons(t) {
			q := Query{Flag: path, Getenv: getenv(map[string]string{}), Carried: carried}
			asked, err := Ask(q)
			known, err2 := Find(q)
			if (err == nil) != (err2 == nil) {
				t.Errorf("%s: asked %v, known %v", path, err, err2)
			}
			if err != nil || err2 != nil {
				continue
			}
			same := asked.Executable == known.Executable && asked.Version == known.Version && filepath.Base(asked.Library) == filepath.Base(known.Library)
			if !same {
				t.Errorf("%s, carried %v: asked %+v, known %+v", path, carried, asked, known)
			}
			if known.Library != "" && !sameFile(asked.Library, known.Library) {
				t.Errorf("%s: two libraries: %s and %s", path, asked.Library, known.Library)
			}
		}
	}
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// image is a small ELF file: header and one PT_INTERP.
func image(t *testing.T, machine elf.Machine, linker string) string {
	t.Helper()
	text := append([]byte(linker), 0)
	header := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	program := elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 120, Filesz: uint64(len(text)), Memsz: uint64(len(text))}
	var b bytes.Buffer
	for _, part := range []any{header, program, text} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "python3")
	if err := os.WriteFile(path, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func refusal(t *testing.T, q Query, want ...string) {
	t.Helper()
	if q.Getenv == nil {
		q.Getenv = getenv(map[string]string{})
	}
	p, err := Find(q)
	var failure *Error
	if !errors.As(err, &failure) || failure.Hint == "" {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, w := range want {
		if !strings.Contains(failure.Message+"; "+failure.Hint, w) {
			t.Errorf("%q is not in: %s; %s", w, failure.Message, failure.Hint)
		}
	}
}

func TestAPythonOfAnotherMachine(t *testing.T) {
	other, name := elf.EM_AARCH64, "arm64"
	if runtime.GOARCH == "arm64" {
		other, name = elf.EM_X86_64, "x86-64"
	}
	path := image(t, other, "/lib/ld.so")
	refusal(t, Query{Flag: path}, path, "is built for "+name+", this gosrv for "+machines[runtime.GOARCH].name, "pip install gosrv")
	refusal(t, Query{Flag: image(t, elf.EM_PPC64, "/lib/ld.so")}, "is built for ppc64")
}

func TestAPythonOfAnotherLibc(t *testing.T) {
	own := machines[runtime.GOARCH]
	other, linker, tag := "musl", "/lib/ld-musl-x86_64.so.1", "musllinux_1_2_"
	if OwnLibc() == "musl" {
		other, linker, tag = "glibc", "/lib64/ld-linux-x86-64.so.2", "manylinux_2_17_"
	}
	path := image(t, own.machine, linker)
	refusal(t, Query{Flag: path}, path, "built for "+other, "this gosrv for "+OwnLibc(), path+" -m pip install gosrv",
		"gosrv-"+config.Version+"-py3-none-"+tag+own.tag+".whl")
}

func TestAPythonOfAnotherSystem(t *testing.T) {
	refusal(t, Query{Flag: image(t, machines[runtime.GOARCH].machine, "/nix/store/x/ld.so")}, "dynamic linker /nix/store/x/ld.so", "make the virtual environment again")
}

// venv makes bin/python and pyvenv.cfg by hand; target is what the link says.
func venv(t *testing.T, target, home string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte("home = "+home+"\nversion = 3.11.7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "bin", "python")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAVenvWhoseBaseIsGone(t *testing.T) {
	good := t.TempDir()
	fake(t, filepath.Join(good, "python3"), report{})
	dir := venv(t, "/opt/gone/bin/python3.11", "/opt/gone/bin")
	words := []string{dir, "Python 3.11.7", "/opt/gone/bin", "is gone", "python3 -m venv --clear " + dir}
	// A good one stands behind it each time: it must not be taken instead.
	path := map[string]string{"PATH": good}
	t.Run("flag", func(t *testing.T) {
		refusal(t, Query{Flag: filepath.Join(dir, "bin", "python"), Getenv: getenv(path)}, words...)
	})
	t.Run("own venv", func(t *testing.T) {
		refusal(t, Query{Binary: filepath.Join(dir, "bin", "gosrv"), Getenv: getenv(path)}, words...)
	})
	t.Run("active venv", func(t *testing.T) {
		refusal(t, Query{Getenv: getenv(map[string]string{"PATH": good, "VIRTUAL_ENV": dir})}, words...)
	})
	t.Run("copied python", func(t *testing.T) {
		copied := venv(t, "/nowhere", "/opt/gone/bin")
		if err := os.Remove(filepath.Join(copied, "bin", "python")); err != nil {
			t.Fatal(err)
		}
		fake(t, filepath.Join(copied, "bin", "python"), report{})
		refusal(t, Query{Flag: filepath.Join(copied, "bin", "python")}, copied, "/opt/gone/bin", "is gone")
	})
	t.Run("a link outside of a venv", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "python")
		if err := os.Symlink("/opt/gone/python", link); err != nil {
			t.Fatal(err)
		}
		refusal(t, Query{Flag: link}, link, "is a link to /opt/gone/python, which is gone")
	})
}

func TestThePythonThatInstalledGosrv(t *testing.T) {
	prefix := t.TempDir()
	fake(t, filepath.Join(prefix, "bin", "python3"), good(t, 12))
	elsewhere := t.TempDir()
	fake(t, filepath.Join(elsewhere, "python3"), good(t, 11))
	q := Query{Binary: filepath.Join(prefix, "bin", "gosrv"), Getenv: getenv(map[string]string{"PATH": elsewhere})}
	if p, err := Find(q); err != nil || p.Version != "3.11" {
		t.Errorf("a gosrv that was only put there: %+v, %v", p, err)
	}
	if err := os.MkdirAll(filepath.Join(prefix, "lib", "python3.12", "site-packages", "gosrv-0.2.0.dist-info"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := Find(q); err != nil || p.Version != "3.12" || p.Source != "the Python gosrv was installed by" {
		t.Errorf("%+v, %v", p, err)
	}
}
