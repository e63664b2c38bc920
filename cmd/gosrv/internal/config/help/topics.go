package help

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/config/settings"
)

// texts are the topics that are no settings. Their lines are short: they are printed as they stand on any terminal.
var texts = map[string]string{
	"places": `Settings come from these places, of which a later one wins:
  PORT, WEB_CONCURRENCY, FORWARDED_ALLOW_IPS, SENDFILE
                          other defaults
  ./gunicorn.conf.py      run by Python; its names are settings
  ./gosrv.toml            or [tool.gosrv] of ./pyproject.toml
  GUNICORN_CMD_ARGS       options as on the command line
  GOSRV_WORKERS=4         every setting; commas between items
  the command line

With -c FILE (.py or .toml) that is the only file read.
--check-config says where each setting was said, and loads the
application; --print-config shows what they came out as.

Options may be shortened as long as they stay unambiguous, and may
stand before or after the application. Times and sizes may have
units: 30s, 5m, 64k, 10MB.
`,
	"commands": `A running server takes orders; they wait for the outcome and say why
if it failed:
  gosrv reload            load code and settings anew (HUP)
  gosrv stop              finish what runs, then end (TERM)
  gosrv upgrade           start the binary anew, then stop the old (USR2)
  gosrv status            say how the server is
    --pid FILE            the server's pidfile; without it, the only
                          server of this user
    --wait SECONDS        give up waiting, not the order

Programs that start Gunicorn themselves get gosrv:
  gosrv install-stub [--undo] [--system] [--python PATH]

A configuration of uWSGI is translated, with notes:
  gosrv import-uwsgi uwsgi.ini > gunicorn.conf.py

An application with such a name is served as status:application.
`,
	"signals": `Signals to the master:
  TERM                    finish what runs, then end
  INT, QUIT               end at once
  HUP                     load code and settings anew
  USR1                    open the log files anew
  USR2                    start a second master beside this one
  TTIN, TTOU              one worker more, one worker less
  WINCH                   stop the workers (with --daemon)

INT or QUIT during TERM ends within 2 s; once more ends at once.
`,
	"exit-codes": `Exit codes:
  0    ended as it was told to
  1    a setting, an address or the machine is not as it must be
  2    the command line cannot be read
  3    the application or a hook does not load
  4    the application is not to be found

gosrv reload, stop, upgrade and status: 0 done, 1 failed, 2 the command
line cannot be read, 3 no such server runs.
`,
}

func textTopics() []string { return slices.Sorted(maps.Keys(texts)) }

// Topics lists all that [Topic] knows besides settings.
func Topics() []string {
	names := append([]string{"all"}, textTopics()...)
	for _, s := range sections {
		names = append(names, s.topic)
	}
	return names
}

// Topic gives the text about a topic or a setting, which may be named as in a file, by a flag, or as a variable.
func Topic(name string, width int) (string, error) {
	if name == "all" {
		return All(width), nil
	}
	if text, found := texts[name]; found {
		return text, nil
	}
	for _, s := range sections {
		if s.topic == name {
			return sectionText(s, width), nil
		}
	}
	if s := bySpelling(name); s != nil {
		return settingText(s, width), nil
	}
	message := fmt.Sprintf("there is no topic or setting %q", name)
	if best := config.Nearest(name, append(Topics(), slices.Sorted(maps.Keys(settings.ByName))...)); best != "" {
		message += fmt.Sprintf("; did you mean %s?", best)
	}
	return "", fmt.Errorf("%s\nTopics: %s", message, strings.Join(Topics(), ", "))
}

// bySpelling finds a setting by its name, a flag with or without its dashes, or its variable; nil if there is none.
func bySpelling(word string) *settings.Setting {
	if s := settings.ByName[strings.ToLower(strings.TrimPrefix(word, "GOSRV_"))]; s != nil {
		return s
	}
	for _, s := range settings.Table {
		if slices.Contains(s.Flags, word) || slices.Contains(s.Flags, "--"+word) {
			return s
		}
	}
	return nil
}

// settingText is all that the table knows of one setting.
func settingText(s *settings.Setting, width int) string {
	var b strings.Builder
	b.WriteString(s.Name + ":\n" + wrap(s.Help, width) + "\n\n")
	row := func(what, text string) {
		if text != "" {
			writeColumns(&b, 2, "  "+what, 16, text, width)
		}
	}
	if len(s.Flags) > 0 {
		row("command line", usage(s))
	}
	row("file", s.Name+" = ..., in gunicorn.conf.py or gosrv.toml")
	if s.Arity == 0 {
		row("variable", "GOSRV_"+strings.ToUpper(s.Name))
	}
	row("default", shownDefault(s))
	row("allowed", s.Allowed())
	switch s.Unit {
	case settings.Seconds:
		row("units", "30s, 5m, 1h30m")
	case settings.Bytes:
		row("units", "64k, 10MB, 1GiB")
	}
	state := s.State.String()
	if s.Note != "" {
		state += ": " + s.Note
	}
	if s.Own() {
		state = "Gunicorn has no such setting"
	}
	row("here", state)
	return b.String()
}
