package shape

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
)

// Arrows says how the files of one package refer to each other.
type Arrows struct {
	Pairs      int // of files, in either direction
	Arrows     int // from a file to another one of which it names something
	References int // of those, counted at each place
	Fields     int // of those, the ones to a field of a struct that another file declares
}

// Arrows counts the references between the files of each package, which takes
// the types of all of them: the packages have to build. The result goes by path.
func ArrowsOf(root string, packages []*Package) (map[string]Arrows, error) {
	entries, err := list(root, "-export", "-deps", "./...")
	if err != nil {
		return nil, err
	}
	exports, paths := map[string]string{}, map[string]string{}
	for _, entry := range entries {
		exports[entry.ImportPath] = entry.Export
		paths[entry.Dir] = entry.ImportPath
	}
	found := map[string]Arrows{}
	for _, p := range packages {
		found[p.Path] = p.arrows(paths[p.Dir], exports)
	}
	return found, nil
}

// arrows checks the types of one package by what the compiler has left of its
// imports. Errors are passed over: the sources of a package that imports "C" are
// not Go alone.
func (p *Package) arrows(path string, exports map[string]string) Arrows {
	var files []*ast.File
	for _, tree := range p.trees {
		files = append(files, tree)
	}
	read := func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	}
	uses := map[*ast.Ident]types.Object{}
	conf := types.Config{Importer: importer.ForCompiler(p.fset, "gc", read), FakeImportC: true, Error: func(error) {}}
	checked, _ := conf.Check(path, p.fset, files, &types.Info{Uses: uses})
	type arrow struct{ from, to *token.File }
	seen := map[arrow]bool{}
	result := Arrows{Pairs: len(p.Files) * (len(p.Files) - 1) / 2}
	for name, object := range uses {
		if object.Pkg() != checked || !object.Pos().IsValid() {
			continue
		}
		a := arrow{p.fset.File(name.Pos()), p.fset.File(object.Pos())}
		if a.from == a.to {
			continue
		}
		seen[a] = true
		result.References++
		if field, ok := object.(*types.Var); ok && field.IsField() {
			result.Fields++
		}
	}
	result.Arrows = len(seen)
	return result
}
