package help

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/config/settings"
)

// commands are the words that gosrv takes as its first argument in place of an application, with what they do.
var commands = []struct{ name, text string }{
	{"reload", "Load code and settings anew"},
	{"stop", "Finish what runs, then end"},
	{"upgrade", "Start the binary anew, then stop the old one"},
	{"status", "Say how the server is"},
	{"top", "Show how it is, second by second"},
	{"install-stub", "Let programs that start Gunicorn get gosrv"},
	{"import-uwsgi", "Translate a configuration of uWSGI"},
	{"help", "Explain a topic or a setting"},
	{"completion", "Print what a shell needs to complete these"},
}

// Commands names them, in the order of the help.
func Commands() []string {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	return names
}

// words says of settings that take one of a few words which these are.
var words = map[string][]string{
	"worker_class":    config.WorkerClasses(),
	"loglevel":        {"debug", "info", "warning", "error", "critical"},
	"header_map":      {"drop", "refuse", "dangerous"},
	"reload_engine":   {"auto", "poll", "inotify"},
	"syslog_facility": {"auth", "cron", "daemon", "kern", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7", "lpr", "mail", "news", "syslog", "user", "uucp"},
}

// kind is what comes after a flag.
type kind uint8

const (
	none   kind = iota // no word
	free               // any word, about which nothing is known
	choice             // one of words
	file
	folder
)

func kindOf(s *settings.Setting) kind {
	switch {
	case !takesValue(s):
		return none
	case words[s.Name] != nil:
		return choice
	case s.Name == "chdir" || metavar(s) == "DIR":
		return folder
	case slices.Contains([]string{"FILE", "FILES", "PATH", "CONFIG", "CONF"}, metavar(s)):
		return file
	}
	return free
}

// shells make the text for one shell each, from the table.
var shells = map[string]func() string{"bash": bash, "zsh": zsh, "fish": fish}

// Completion gives what that shell is to read: bash, zsh or fish.
func Completion(shell string) (string, error) {
	write := shells[shell]
	if write == nil {
		return "", fmt.Errorf("there is no completion for %q; there is for %s", shell, strings.Join(slices.Sorted(maps.Keys(shells)), ", "))
	}
	return write(), nil
}

// completed lists the settings that have flags and do something here.
func completed() (list []*settings.Setting) {
	for _, s := range settings.Table {
		if len(s.Flags) > 0 && s.State < settings.NoEffect {
			list = append(list, s)
		}
	}
	return list
}

func bash() string {
	var flags []string
	cases := map[kind][]string{}
	var choices strings.Builder
	for _, s := range completed() {
		flags = append(flags, s.Flags...)
		switch k := kindOf(s); k {
		case none:
		case choice:
			fmt.Fprintf(&choices, "    %s) COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", strings.Join(s.Flags, "|"), strings.Join(words[s.Name], " "))
		default:
			cases[k] = append(cases[k], s.Flags...)
		}
	}
	return fmt.Sprintf(`# bash completion for gosrv: source <(gosrv completion bash)
_gosrv() {
  local word="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  case "$previous" in
%s    %s) COMPREPLY=($(compgen -f -- "$word")); return ;;
    %s) COMPREPLY=($(compgen -d -- "$word")); return ;;
    %s) return ;;
  esac
  if [[ $COMP_CWORD -eq 2 && $previous == help ]]; then
    COMPREPLY=($(compgen -W '%s' -- "$word"))
  elif [[ $COMP_CWORD -eq 2 && $previous == completion ]]; then
    COMPREPLY=($(compgen -W 'bash fish zsh' -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W '--help --version %s' -- "$word"))
  elif [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W '%s' -- "$word"))
  fi
}
complete -o filenames -o bashdefault -F _gosrv gosrv
`, choices.String(), strings.Join(cases[file], "|"), strings.Join(cases[folder], "|"), strings.Join(cases[free], "|"),
		strings.Join(helpWords(), " "), strings.Join(flags, " "), strings.Join(Commands(), " "))
}

// helpWords are what `gosrv help` takes.
func helpWords() []string {
	list := append(Topics(), slices.Sorted(maps.Keys(settings.ByName))...)
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

func zsh() string {
	var b strings.Builder
	b.WriteString("#compdef gosrv\n# zsh completion for gosrv: a file _gosrv in a folder of $fpath\n_gosrv() {\n  local -a commands\n  commands=(\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "    '%s:%s'\n", c.name, c.text)
	}
	fmt.Fprintf(&b, "  )\n  case \"$CURRENT:${words[2]}\" in\n    3:help) compadd -- %s; return ;;\n    3:completion) compadd bash fish zsh; return ;;\n  esac\n  _arguments -s -S \\\n", strings.Join(helpWords(), " "))
	b.WriteString("    '(-h --help)'{-h,--help}'[Print help and exit]' \\\n    '(-v --version)'{-v,--version}'[Print the version and exit]' \\\n")
	for _, s := range completed() {
		after := map[kind]string{free: ":" + metavar(s) + ": ", file: ":" + metavar(s) + ":_files", folder: ":" + metavar(s) + ":_files -/",
			choice: ":" + metavar(s) + ":(" + strings.Join(words[s.Name], " ") + ")"}[kindOf(s)]
		text := strings.NewReplacer("'", "’", "[", `\[`, "]", `\]`, ":", `\:`, `\`, `\\`).Replace(s.Short())
		for _, flag := range s.Flags {
			fmt.Fprintf(&b, "    '*%s[%s]%s' \\\n", flag, text, after)
		}
	}
	b.WriteString("    '1:application or command:{_describe command commands}' '*:file:_files'\n}\n")
	b.WriteString("if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then _gosrv \"$@\"; else compdef _gosrv gosrv; fi\n")
	return b.String()
}

func fish() string {
	var b strings.Builder
	b.WriteString("# fish completion for gosrv: gosrv completion fish > ~/.config/fish/completions/gosrv.fish\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c gosrv -n __fish_use_subcommand -f -a %s -d '%s'\n", c.name, c.text)
	}
	fmt.Fprintf(&b, "complete -c gosrv -n '__fish_seen_subcommand_from help' -f -a '%s'\n", strings.Join(helpWords(), " "))
	b.WriteString("complete -c gosrv -n '__fish_seen_subcommand_from completion' -f -a 'bash fish zsh'\n")
	b.WriteString("complete -c gosrv -s h -l help -f -d 'Print help and exit'\ncomplete -c gosrv -s v -l version -f -d 'Print the version and exit'\n")
	for _, s := range completed() {
		b.WriteString("complete -c gosrv")
		for _, flag := range s.Flags {
			if name, isLong := strings.CutPrefix(flag, "--"); isLong {
				b.WriteString(" -l " + name)
			} else {
				b.WriteString(" -s " + flag[1:])
			}
		}
		b.WriteString(map[kind]string{none: " -f", free: " -x", file: " -r -F", folder: " -x -a '(__fish_complete_directories)'",
			choice: " -x -a '" + strings.Join(words[s.Name], " ") + "'"}[kindOf(s)])
		fmt.Fprintf(&b, " -d '%s'\n", strings.NewReplacer("'", `\'`, `\`, `\\`).Replace(s.Short()))
	}
	return b.String()
}
