package shape

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestFieldsAndMethodsAreCountedByType(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.go", "package p\ntype T struct { a, b int; other }\ntype other struct{}\nfunc (t *T) one() { t.two() }\nfunc free() {}\n")
	write("b.go", "package p\nfunc (T) two() {}\nfunc (t T) three() int { return t.a }\n")
	write("c.go", "package p\ntype G[X any] struct{ x X }\nfunc (g *G[X]) only() { free() }\n")
	p := &Package{Dir: folder, Files: []string{"a.go", "b.go", "c.go"}, Types: map[string]*Type{}}
	if err := p.read(); err != nil {
		t.Fatal(err)
	}
	want := map[string]*Type{"T": {Methods: 3, Files: 2, Fields: 3}, "other": {}, "G": {Methods: 1, Files: 1, Fields: 1}}
	if !reflect.DeepEqual(p.Types, want) {
		t.Errorf("%+v %+v %+v", p.Types["T"], p.Types["other"], p.Types["G"])
	}
	// a -> b (two), b -> a (T twice, a), c -> a (free)
	if got := p.arrows("p", nil); got != (Arrows{Pairs: 3, Arrows: 3, References: 5, Fields: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestReceiversOfAllForms(t *testing.T) {
	text := "package p\nfunc (a A) m()\nfunc (*B) m()\nfunc (c *C[X]) m()\nfunc (d D[X, Y]) m()\nfunc f()\n"
	tree, err := parser.ParseFile(token.NewFileSet(), "x.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, decl := range tree.Decls {
		got = append(got, receiver(decl.(*ast.FuncDecl)))
	}
	if want := []string{"A", "B", "C", "D", ""}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPythonFunctionsByIndentation(t *testing.T) {
	const text = `import x

def short(): return 1

@decorated
def outer(a,
    b="(",
):
    """Text that
is not indented.
"""
    if a:

        def inner():
            return {
 1: 'it\'s',
            }
        # a comment

    return b  # )


class C:
    async def method(self):
        pass
x.y()
`
	got := PythonFunctions(text)
	want := []Function{{"short", 1}, {"inner", 4}, {"outer", 15}, {"method", 2}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
