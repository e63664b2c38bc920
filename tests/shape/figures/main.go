// Command figures prints how a checkout of this repository is divided, by the
// code that the rules in tests use:
//
//	go run ./tests/shape/figures [FOLDER]
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"gosrv/tests/shape"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := print(root); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func print(root string) error {
	packages, err := shape.Packages(root)
	if err != nil {
		return err
	}
	arrows, err := shape.ArrowsOf(root, packages)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "files\tpairs\tarrows\treferences\tto fields\t  package\t")
	slices.SortStableFunc(packages, func(a, b *shape.Package) int { return len(b.Files) - len(a.Files) })
	for _, p := range packages {
		a := arrows[p.Path]
		fmt.Fprintf(out, "%d\t%d\t%d\t%d\t%d\t  %s\t\n", len(p.Files), a.Pairs, a.Arrows, a.References, a.Fields, p.Path)
	}
	fmt.Fprintln(out, "\nmethods\tfiles\tfields\t  type\t")
	for _, row := range largest(packages) {
		fmt.Fprintf(out, "%d\t%d\t%d\t  %s\t\n", row.t.Methods, row.t.Files, row.t.Fields, row.name)
	}
	if err := printOthers(out, root); err != nil {
		return err
	}
	return out.Flush()
}

type row struct {
	name string
	t    *shape.Type
}

// largest lists the twenty types that lead in methods or in fields.
func largest(packages []*shape.Package) []row {
	var rows []row
	for _, p := range packages {
		for name, t := range p.Types {
			rows = append(rows, row{p.Path + "." + name, t})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		if d := max(b.t.Methods, b.t.Fields) - max(a.t.Methods, a.t.Fields); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	return rows[:min(20, len(rows))]
}

func printOthers(out *tabwriter.Writer, root string) error {
	rooms, err := shape.Rooms(filepath.Join(root, "cgo"))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "\nC files\t  room\t")
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		fmt.Fprintf(out, "%d\t  %s_*.c\t\n", rooms[room], room)
	}
	modules, err := shape.Modules(filepath.Join(root, "pyshim"))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "\nmodules\t  Python package\t")
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		fmt.Fprintf(out, "%d\t  %s\t\n", modules[name], name)
	}
	return nil
}
