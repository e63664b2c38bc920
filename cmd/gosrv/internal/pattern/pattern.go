// Package pattern compiles regular expressions when they are needed. The binary
// starts once for each worker, and few of its runs look at any of them.
package pattern

import (
	"regexp"
	"sync"
)

// Of gives the expression's compiled form when it is called for. A text that is
// none panics then, as regexp.MustCompile.
func Of(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
