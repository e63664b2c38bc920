// Package shape measures how this repository is divided: files of a package,
// methods and fields of a type, files of a room of C, modules of a Python
// package, and references between files. The rules in tests compare the numbers
// with their limits; the program figures prints them, of any checkout.
package shape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Package is one Go package below the root. Files are its sources without
// tests, by their base names.
type Package struct {
	Path  string // "wsgi/http1"
	Dir   string
	Files []string
	Types map[string]*Type
	trees map[string]*ast.File
	fset  *token.FileSet
}

// Type is a named type and the methods of it and of its pointer.
type Type struct {
	Methods int
	Files   int // in which there are methods
	Fields  int // of a struct; an embedded one is one field
}

// listed is the part of `go list -json` that is read here.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, CgoFiles       []string
	Standard                bool
	Module                  *struct{ Main bool }
}

// Packages measures every Go package below root, sorted by path.
func Packages(root string) ([]*Package, error) {
	entries, err := list(root, "./...")
	if err != nil {
		return nil, err
	}
	top, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	var found []*Package
	for _, entry := range entries {
		path, err := filepath.Rel(top, entry.Dir)
		if err != nil {
			return nil, err
		}
		p := &Package{Path: path, Dir: entry.Dir, Files: slices.Concat(entry.GoFiles, entry.CgoFiles), Types: map[string]*Type{}}
		if err := p.read(); err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

func list(root string, args ...string) ([]listed, error) {
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Export,GoFiles,CgoFiles,Standard,Module"}, args...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.Bytes())
	}
	var entries []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var entry listed
		if err := dec.Decode(&entry); errors.Is(err, io.EOF) {
			return entries, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list -json: %w", err)
		}
		entries = append(entries, entry)
	}
}

// read parses the sources and counts what belongs to each type.
func (p *Package) read() error {
	p.fset, p.trees = token.NewFileSet(), map[string]*ast.File{}
	homes := map[string]map[string]bool{}
	for _, name := range p.Files {
		tree, err := parser.ParseFile(p.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p.trees[name] = tree
		for _, decl := range tree.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if of := receiver(decl); of != "" {
					p.typ(of).Methods++
					if homes[of] == nil {
						homes[of] = map[string]bool{}
					}
					homes[of][name] = true
				}
			case *ast.GenDecl:
				p.countFields(decl)
			}
		}
	}
	for of, files := range homes {
		p.typ(of).Files = len(files)
	}
	return nil
}

func (p *Package) countFields(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		spec, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		t := p.typ(spec.Name.Name)
		if body, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range body.Fields.List {
				t.Fields += max(1, len(field.Names))
			}
		}
	}
}

func (p *Package) typ(name string) *Type {
	if p.Types[name] == nil {
		p.Types[name] = new(Type)
	}
	return p.Types[name]
}

// receiver is the name of the type that a method belongs to, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	of := fn.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr: // a generic type
			of = t.X
		case *ast.IndexListExpr:
			of = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// Rooms counts the C files of a folder by room: the part of a name before its
// first underscore, or "" without one.
func Rooms(folder string) (map[string]int, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.c"))
	if err != nil {
		return nil, err
	}
	rooms := map[string]int{}
	for _, file := range files {
		room, _, divided := strings.Cut(filepath.Base(file), "_")
		if !divided {
			room = ""
		}
		rooms[room]++
	}
	return rooms, nil
}

// Modules counts the modules of each Python package below root: of each folder
// that has an __init__.py.
func Modules(root string) (map[string]int, error) {
	found := map[string]int{}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if entry.Name() != "__init__.py" {
			return nil
		}
		modules, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.py"))
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, filepath.Dir(path))
		found[name] = len(modules)
		return err
	})
	return found, err
}
