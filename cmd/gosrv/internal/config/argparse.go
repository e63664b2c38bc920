package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/agnivade/levenshtein"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// The command line is read by the rules of Python's argparse, because shell scripts, Procfiles and unit files written
// for Gunicorn rely on them: abbreviated flags, -w4, clusters of short flags, flags on both sides of the application.
//
// As there, two passes: the first tells flags from words (and rejects ambiguous abbreviations), the second lets flags
// take their words and gives the first run of loose words to the positional argument.

// flagUse is a word of the command line that is a flag.
type flagUse struct {
	option   *option // nil: an unknown flag
	spelled  string  // the flag as the table has it, or the first two bytes of a cluster such as -Rw4
	value    string  // the part after = or after the short flag
	hasValue bool
}

// option is what a flag leads to: a row of the table, or one of argparse's own two flags.
type option struct {
	flags   []string
	setting *settings.Setting // nil for help and version
	takes   settings.Action
}

var (
	helpOption    = &option{flags: []string{"-h", "--help"}, takes: settings.StoreTrue}
	versionOption = &option{flags: []string{"-v", "--version"}, takes: settings.StoreTrue}

	// options holds the flags in the order in which argparse lists them.
	options = listOptions()

	negativeNumber = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-\d+$|^-\d*\.\d+$`) })
)

func listOptions() []*option {
	list := []*option{helpOption, versionOption}
	for _, s := range settings.Table {
		if len(s.Flags) > 0 {
			list = append(list, &option{flags: s.Flags, setting: s, takes: s.Action})
		}
	}
	return list
}

// matches lists the flags that have the given prefix, with their options.
func matches(prefix string, exact bool) (spelled []string, found []*option) {
	for _, own := range []bool{false, true} {
		for _, o := range options {
			if (o.setting != nil && o.setting.Own()) != own {
				continue
			}
			for _, flag := range o.flags {
				if flag == prefix || !exact && strings.HasPrefix(flag, prefix) {
					spelled, found = append(spelled, flag), append(found, o)
				}
			}
		}
		// An abbreviation that means something in Gunicorn keeps that meaning: our own flags come second.
		if len(found) > 0 && !exact {
			return spelled, found
		}
	}
	return spelled, found
}

func exactly(flag string) *option {
	if meant, ok := settings.Synonyms[flag]; ok {
		flag = meant
	}
	if _, found := matches(flag, true); len(found) == 1 {
		return found[0]
	}
	return nil
}

// classify tells whether word is a flag; nil means it is not.
func classify(word string) (*flagUse, error) {
	if len(word) < 2 || word[0] != '-' {
		return nil, nil
	}
	if o := exactly(word); o != nil {
		return &flagUse{option: o, spelled: word}, nil
	}
	name, value, hasValue := strings.Cut(word, "=")
	if o := exactly(name); hasValue && o != nil {
		return &flagUse{option: o, spelled: name, value: value, hasValue: true}, nil
	}
	if use, err := abbreviated(word, name, value, hasValue); use != nil || err != nil {
		return use, err
	}
	if negativeNumber().MatchString(word) || strings.Contains(word, " ") {
		return nil, nil
	}
	return &flagUse{}, nil
}

// abbreviated resolves a prefix of a long flag, or a short flag with its value or more flags stuck to it.
func abbreviated(word, name, value string, hasValue bool) (*flagUse, error) {
	if !strings.HasPrefix(word, "--") {
		if o := exactly(word[:2]); o != nil {
			return &flagUse{option: o, spelled: word[:2], value: word[2:], hasValue: true}, nil
		}
		return nil, nil
	}
	spelled, found := matches(name, false)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &flagUse{option: found[0], spelled: spelled[0], value: value, hasValue: hasValue}, nil
	}
	return nil, &UsageError{fmt.Sprintf("ambiguous option: %s could match %s", word, strings.Join(spelled, ", "))}
}

// parser is one reading of a list of words.
type parser struct {
	words      []string
	uses       []*flagUse // per word; nil for loose words
	barrier    int        // index of the first "--", or len(words)
	take       func(o *option, values []string) (stop bool, err error)
	positional []string // the application and what follows it
	taken      bool     // whether positional has had its one chance
	extras     []string // words nobody wanted
}

// parseWords reads words and calls take for each flag with the words it takes, in order. It returns the loose words.
// When take says stop (--help, --version), the rest is not looked at.
func parseWords(words []string, take func(*option, []string) (bool, error)) ([]string, error) {
	p := &parser{words: words, take: take, uses: make([]*flagUse, len(words)), barrier: len(words)}
	if i := slices.Index(words, "--"); i >= 0 {
		p.barrier = i
	}
	last := -1
	for i, word := range words[:p.barrier] {
		use, err := classify(word)
		if err != nil {
			return nil, err
		}
		if p.uses[i] = use; use != nil {
			last = i
		}
	}
	i := 0
	for i <= last {
		if p.uses[i] == nil {
			i = p.loose(i)
			continue
		}
		next, stop, err := p.flag(i)
		if stop || err != nil {
			return p.positional, err
		}
		i = next
	}
	p.loose(i)
	if len(p.extras) > 0 {
		return nil, &UsageError{"unrecognized arguments: " + strings.Join(p.extras, " ") + suggestFlag(p.extras)}
	}
	return p.positional, nil
}

// loose hands the run of words that starts at i to the positional argument, which takes one run only.
func (p *parser) loose(i int) int {
	end := i
	for end < len(p.words) && p.uses[end] == nil {
		end++
	}
	run := slices.Clone(p.words[i:end])
	if p.taken {
		p.extras = append(p.extras, run...)
		return end
	}
	if at := slices.Index(run, "--"); at >= 0 {
		run = slices.Delete(run, at, at+1)
	}
	p.positional, p.taken = run, len(run) > 0 || end > i
	return end
}

// flag lets the flag at i take its words and gives the index after them.
func (p *parser) flag(i int) (next int, stop bool, err error) {
	use := p.uses[i]
	if use.option == nil {
		p.extras = append(p.extras, p.words[i])
		return i + 1, false, nil
	}
	o, spelled, value, hasValue := use.option, use.spelled, use.value, use.hasValue
	var cluster []*option
	for hasValue && !o.takesWord() {
		// -RD means -R -D: what follows a short flag without a word is another short flag.
		following := exactly("-" + firstRune(value))
		if strings.HasPrefix(spelled, "--") || value == "" || following == nil {
			return i, false, &UsageError{fmt.Sprintf("argument %s: ignored explicit argument %s", o.text(), settings.ReprText(value))}
		}
		cluster = append(cluster, o)
		o, spelled, value = following, "-"+firstRune(value), value[len(firstRune(value)):]
		hasValue = value != ""
	}
	var values []string
	next = i + 1
	switch {
	case hasValue:
		values = []string{value}
	case o.takesWord() && next < p.barrier && p.uses[next] == nil:
		values = []string{p.words[next]}
		next++
	case o.takes == settings.Store || o.takes == settings.Append:
		return i, false, &UsageError{fmt.Sprintf("argument %s: expected one argument", o.text())}
	}
	for _, earlier := range cluster {
		if stop, err = p.take(earlier, nil); stop || err != nil {
			return next, stop, err
		}
	}
	stop, err = p.take(o, values)
	return next, stop, err
}

func (o *option) takesWord() bool {
	return o.takes == settings.Store || o.takes == settings.Append || o.takes == settings.Optional
}
func (o *option) text() string { return strings.Join(o.flags, "/") }

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// suggestFlag names the flag that the first unknown one was probably meant to be, ready to follow argparse's message.
func suggestFlag(extras []string) string {
	for _, word := range extras {
		name, _, _ := strings.Cut(word, "=")
		if !strings.HasPrefix(name, "--") || len(name) < 5 {
			continue
		}
		var flags []string
		for _, o := range options {
			flags = append(flags, o.flags...)
		}
		if best := Nearest(name, flags); best != "" {
			return " (did you mean " + best + "?)"
		}
	}
	return ""
}

// Nearest gives the candidate with the smallest edit distance to name, or "" if none is close: at most one edit for
// every three bytes of the name, and three at the most.
func Nearest(name string, candidates []string) string {
	best, limit := "", min(3, len(name)/3)
	for _, candidate := range candidates {
		if d := levenshtein.ComputeDistance(name, candidate); d <= limit {
			best, limit = candidate, d-1
		}
	}
	return best
}
