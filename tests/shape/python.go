package shape

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Function is a function of a Python file and its number of lines, from its def
// to its last statement, without decorators.
type Function struct {
	Name  string
	Lines int
}

var pythonDef = regexp.MustCompile(`^(\s*)(?:async )?def (\w+)`)

// PythonFiles lists the Python files below root, hidden folders left out.
func PythonFiles(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".py") {
			found = append(found, path)
		}
		return nil
	})
	return found, err
}

// PythonFunctions finds the functions of a Python source by its indentation. It
// need not be valid Python.
func PythonFunctions(text string) []Function {
	type open struct{ at, indent int }
	var functions []Function
	var nest []open
	quote, depth, last := "", 0, 0
	lines := strings.Split(text, "\n")
	leave := func(indent int) {
		for len(nest) > 0 && nest[len(nest)-1].indent >= indent {
			f := nest[len(nest)-1]
			nest = nest[:len(nest)-1]
			name := pythonDef.FindStringSubmatch(lines[f.at])[2]
			functions = append(functions, Function{name, last - f.at + 1})
		}
	}
	for i, line := range lines {
		code := strings.TrimSpace(line)
		begins := quote == "" && depth == 0 // of a statement, as against the rest of one
		if begins && (code == "" || code[0] == '#') {
			continue
		}
		if begins {
			leave(len(line) - len(strings.TrimLeft(line, " \t")))
			if def := pythonDef.FindStringSubmatch(line); def != nil {
				nest = append(nest, open{i, len(def[1])})
			}
		}
		quote, depth = pythonScan(line, quote, depth)
		last = i
	}
	leave(0)
	return functions
}

// pythonScan follows one line: the quotes of a string that goes on into the next
// line, and the depth of open brackets.
func pythonScan(line, quote string, depth int) (string, int) {
	for i := 0; i < len(line); i++ {
		rest := line[i:]
		switch {
		case quote != "" && rest[0] == '\\':
			i++
		case quote != "":
			if strings.HasPrefix(rest, quote) {
				i += len(quote) - 1
				quote = ""
			}
		case rest[0] == '#':
			return "", depth
		case strings.HasPrefix(rest, `"""`), strings.HasPrefix(rest, `'''`):
			quote = rest[:3]
			i += 2
		case rest[0] == '"', rest[0] == '\'':
			quote = rest[:1]
		case strings.IndexByte("([{", rest[0]) >= 0:
			depth++
		case strings.IndexByte(")]}", rest[0]) >= 0:
			depth--
		}
	}
	if len(quote) == 1 && !strings.HasSuffix(line, `\`) {
		quote = ""
	}
	return quote, max(0, depth)
}
