module gosrv

go 1.26.0

require (
	github.com/agnivade/levenshtein v1.2.2 // indirect
	github.com/pelletier/go-toml/v2 v2.4.3 // indirect
	go.uber.org/automaxprocs v1.6.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
