module gosrv

go 1.26.0

require (
	github.com/agnivade/levenshtein v1.2.2
	github.com/pelletier/go-toml/v2 v2.4.3
	go.uber.org/automaxprocs v1.6.0
	golang.org/x/sys v0.49.0
)
