package config

import (
	"errors"
	"strings"
)

var (
	errQuote  = errors.New("No closing quotation")
	errEscape = errors.New("No escaped character")
)

// shellWords splits text as Python's shlex.split does, which Gunicorn uses for GUNICORN_CMD_ARGS. It differs from
// shells, and from Go's shlex packages, in keeping # and in what a backslash means between double quotes.
func shellWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case '\\':
			if i++; i == len(text) {
				return nil, errEscape
			}
			word.WriteByte(text[i])
			inWord = true
		case '\'', '"':
			end, err := quoted(&word, text, i)
			if err != nil {
				return nil, err
			}
			i, inWord = end, true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted adds the quoted part that opens at start to word and gives the index of its closing quote. A backslash counts
// between double quotes only, and only in front of a double quote or another backslash.
func quoted(word *strings.Builder, text string, start int) (int, error) {
	quote := text[start]
	for i := start + 1; i < len(text); i++ {
		c := text[i]
		if c == quote {
			return i, nil
		}
		if c == '\\' && quote == '"' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\') {
			i++
			c = text[i]
		}
		word.WriteByte(c)
	}
	return 0, errQuote
}
