package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// Settings without any Python: gosrv.toml, or the table [tool.gosrv] of pyproject.toml. The names are those of
// gunicorn.conf.py.
const (
	tomlName      = "gosrv.toml"
	pyprojectName = "pyproject.toml"
	tomlTable     = "tool.gosrv"
)

// isTOML tells whether -c names a file of this kind.
func isTOML(location string) bool { return strings.HasSuffix(location, ".toml") }

// readTOML reads the file that -c names, or else ./gosrv.toml or the table of ./pyproject.toml. The layer's path is ""
// if there is none. dir is what relative paths are relative to.
func readTOML(dir, named string) (layer, error) {
	if named != "" {
		if !isTOML(named) {
			return layer{}, nil
		}
		named = strings.TrimPrefix(named, "file:")
		found, err := tomlFile(dir, named, true)
		if err == nil && found.path == "" {
			err = &Error{Message: fmt.Sprintf("%s has no table [%s]", named, tomlTable)}
		}
		return found, err
	}
	own, err := tomlFile(dir, tomlName, false)
	if err != nil {
		return own, err
	}
	project, err := tomlFile(dir, pyprojectName, false)
	switch {
	case err != nil:
		return project, err
	case own.path != "" && project.path != "":
		return own, &Error{Message: fmt.Sprintf("settings in two places: ./%s and [%s] in ./%s; keep one of them", tomlName, tomlTable, pyprojectName)}
	case project.path != "":
		return project, nil
	}
	return own, nil
}

// tomlFile reads one file. The layer's path stays "" if the file is not there, or has no table for us.
func tomlFile(dir, name string, must bool) (layer, error) {
	said := layer{source: FromTOML, values: map[string]any{}, places: map[string]string{}}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, name)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !must {
		return said, nil
	}
	if err != nil {
		return said, &Error{Message: "cannot read the configuration file: " + err.Error()}
	}
	isProject := filepath.Base(name) == pyprojectName
	if isProject && !bytes.Contains(text, []byte("gosrv")) {
		return said, nil // what else is wrong in there is for others to say
	}
	var document map[string]any
	if err := toml.Unmarshal(text, &document); err != nil {
		return said, tomlSyntax(name, err)
	}
	table := ""
	if isProject {
		tool, _ := document["tool"].(map[string]any)
		ours, there := tool["gosrv"].(map[string]any)
		if !there {
			return said, nil
		}
		document, table = ours, tomlTable
	}
	said.path = name
	fromFolder(dir, document)
	return said, said.readTable(document, name, tomlLines(text, table))
}

func tomlSyntax(name string, err error) error {
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, column := bad.Position()
		return &Error{Message: fmt.Sprintf("%s:%d: %s (column %d)", name, line, strings.TrimPrefix(bad.Error(), "toml: "), column)}
	}
	return &Error{Message: name + ": " + err.Error()}
}

// readTable takes over the settings of one table. lines gives the line of each name.
func (said layer) readTable(document map[string]any, name string, lines map[string]int) error {
	where := func(key string) string { return name + ":" + strconv.Itoa(lines[key]) }
	first := ""
	for key := range document { // the first unknown name in the file is the one to report
		if settings.ByName[key] == nil && (first == "" || lines[key] < lines[first]) {
			first = key
		}
	}
	if first != "" {
		message := fmt.Sprintf("%s: there is no setting %s", where(first), first)
		if best := nearestSetting(first); best != nil {
			message += "; did you mean " + best.Name + "?"
		}
		return &Error{Message: message}
	}
	for _, s := range settings.Table {
		raw, named := document[s.Name]
		if !named {
			continue
		}
		if s.Name == "config" {
			return &Error{Message: where(s.Name) + ": config names the configuration file and cannot stand in one; use -c"}
		}
		value := fromTOML(s, raw)
		checked, err := s.Accept(value)
		if err != nil {
			return fault(s, err, where(s.Name), value)
		}
		said.values[s.Name], said.places[s.Name] = checked, where(s.Name)
	}
	return nil
}

// fromTOML turns a value into what a Python file would have said. Where that is names with commas between, TOML may
// have a list.
func fromTOML(s *settings.Setting, raw any) any {
	switch v := raw.(type) {
	case int64:
		return int(v)
	case float64:
		return settings.Float(v)
	case string, bool:
		return v
	case map[string]any:
		dict := make(map[string]any, len(v))
		for key, item := range v {
			dict[key] = fromTOML(s, item)
		}
		return dict
	case []any:
		items, texts := make([]any, len(v)), make([]string, 0, len(v))
		for i, item := range v {
			items[i] = fromTOML(s, item)
			if text, isText := items[i].(string); isText {
				texts = append(texts, text)
			}
		}
		if takesCommas(s) && len(texts) == len(items) {
			return strings.Join(texts, ",")
		}
		return items
	}
	return map[string]any{"__repr__": fmt.Sprint(raw)} // dates and times
}

// takesCommas tells whether the setting's value is one text of names with commas between.
func takesCommas(s *settings.Setting) bool {
	switch s.Check.Name {
	case settings.CommaText.Name, settings.AddressList.Name, settings.Protocols.Name:
		return true
	}
	return s.Name == "pythonpath"
}

// tomlLines finds the line in which each key of a table ("" is the document itself) is first named.
func tomlLines(text []byte, table string) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(text)
	current := ""
	for p.NextExpression() {
		e := p.Expression()
		key, at := "", 0
		for it := e.Key(); it.Next(); {
			if at == 0 {
				at = p.Shape(it.Node().Raw).Start.Line
			}
			key += "." + string(it.Node().Data)
		}
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			current, key = key, ""
		}
		inside, ours := strings.CutPrefix(current+key+".", strings.TrimSuffix("."+table, ".")+".")
		name, _, _ := strings.Cut(inside, ".")
		if ours && name != "" && lines[name] == 0 {
			lines[name] = at
		}
	}
	return lines
}
