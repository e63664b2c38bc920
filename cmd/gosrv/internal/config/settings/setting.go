// Package settings is the table of all settings: names, flags, types, defaults, units and checks. It is the only place
// that knows them. The names, flags, defaults and verdicts are those of Gunicorn 27.0.1 (120 settings), compared with
// goldens in testdata; a few rows are our own and say so.
package settings

import "strings"

// Action says what a flag does with the words after it, in argparse's terms.
type Action uint8

const (
	Store      Action = iota // one word is the value
	Append                   // one word, kept in a list; the flag may be repeated
	StoreTrue                // no word: the value is true
	StoreFalse               // no word: the value is false (--no-sendfile)
	Optional                 // zero words or one; without a word the value is Setting.Const
)

// WordType is the conversion argparse applies to a word on the command line, before the validator.
type WordType uint8

const (
	Text    WordType = iota // as it is
	Int                     // Python's int(word)
	AutoInt                 // Python's int(word, 0), with 022 read as octal
)

// Support says what gosrv does with a setting.
type Support uint8

const (
	Works       Support = iota // as in Gunicorn
	Better                     // does what it says and more; Note says how
	NoEffect                   // accepted, and there is nothing for it to do; Note says why
	Pending                    // accepted with a warning: not built yet
	Unsupported                // refused unless it has its default value; Note says what to use instead
)

// String gives the word the settings reference uses.
func (s Support) String() string {
	return [...]string{"works", "works better", "no effect", "no effect yet", "not supported"}[s]
}

// Hook is the default of a setting that holds a Python function: the qualified name that Gunicorn's --print-config
// shows for its own do-nothing function.
type Hook string

// Computed is a default that depends on the machine; the text says in words what it is.
type Computed string

// Auto is the value of workers until it is known how many processors there are.
type Auto struct{}

// AutoWord is how users write it.
const AutoWord = "auto"

// String gives the word that users write.
func (Auto) String() string { return AutoWord }

// Setting is one row of the table. Rows are read-only after the program has started.
type Setting struct {
	Name    string   // the name in a configuration file
	Section string   // heading in --help and in the reference
	Flags   []string // command-line flags, short ones first; none: configuration file only
	Metavar string   // the word after the flag in --help
	Action  Action
	Type    WordType
	Const   string    // value of an Optional flag without a word
	Default any       // nil, bool, int, string, []string, map[string]any or Hook, after validation
	Check   Validator // verdict on a value from anywhere, once its units are read
	Unit    Unit      // what the number counts
	Auto    bool      // the word auto is accepted in place of a number
	Arity   int       // of a hook: how many arguments the function takes; 0 for other settings
	Help    string    // one paragraph; its first sentence is what --help shows
	Since   string    // Gunicorn release that has it first, "" before 21.0; "gosrv" for our own
	State   Support
	Note    string // explains State, see Support
}

// Own reports whether the row is ours and unknown to Gunicorn.
func (s *Setting) Own() bool { return s.Since == "gosrv" }

// FlagText gives the flags as argparse writes them in messages: -w/--workers. It is empty for file-only settings.
func (s *Setting) FlagText() string { return strings.Join(s.Flags, "/") }

// Short gives the first sentence of Help, without its full stop.
func (s *Setting) Short() string {
	first, _, _ := strings.Cut(s.Help, ". ")
	return strings.TrimSuffix(first, ".")
}

// Parameters gives the parameter list of a hook, "(server, worker)", which its help text opens with.
func (s *Setting) Parameters() string {
	from, to := strings.Index(s.Help, "("), strings.Index(s.Help, ")")
	if from < 0 || to < from {
		return "()"
	}
	return s.Help[from : to+1]
}

// Table is the table, in the order in which Gunicorn declares its settings (argparse lists candidates of an
// ambiguous prefix in that order), ours last.
var Table = concat(
	startRows, mechanicsRows, loggingRows, namingRows, hookRows, proxyRows, tlsRows, http2Rows, parsingRows,
	asgiRows, dirtyRows, controlRows, ownRows, ownTLSRows,
)

// ByName finds a row of Table.
var ByName = indexByName(Table)

func concat(parts ...[]Setting) []*Setting {
	var all []*Setting
	for _, rows := range parts {
		for i := range rows {
			all = append(all, &rows[i])
		}
	}
	return all
}

func indexByName(rows []*Setting) map[string]*Setting {
	index := make(map[string]*Setting, len(rows))
	for _, s := range rows {
		index[s.Name] = s
	}
	return index
}

// Fact is what a Python hook or logger class reads of one setting beside its value, by the names of Gunicorn's class.
type Fact struct {
	Order   int      `json:"order"`
	Section string   `json:"section"`
	Flags   []string `json:"cli"`
	Default any      `json:"default"` // nil for a function
	Meta    *string  `json:"meta"`
	Short   string   `json:"short"`
	Action  string   `json:"action,omitempty"` // argparse's words
	Nargs   string   `json:"nargs,omitempty"`
	Const   any      `json:"const,omitempty"`
	Type    string   `json:"type,omitempty"` // int, auto_int; "": text
}

// Fact gives it for a row. order is its place in the table, value the default on this machine.
func (s *Setting) Fact(order int, value any) Fact {
	f := Fact{Order: order, Section: s.Section, Flags: s.Flags, Default: value, Short: s.Short()}
	if s.Metavar != "" {
		f.Meta = &s.Metavar
	}
	switch s.Action {
	case Append:
		f.Action = "append"
	case StoreTrue:
		f.Action = "store_true"
	case StoreFalse:
		f.Action, f.Const = "store_const", false
	case Optional:
		f.Nargs, f.Const = "?", s.Const
	}
	f.Type = [...]string{Text: "", Int: "int", AutoInt: "auto_int"}[s.Type]
	return f
}
