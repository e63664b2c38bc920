// Package config holds every setting of gosrv in one table and turns a command line, GUNICORN_CMD_ARGS, the environment
// and what a configuration file said into one resolved [Config].
//
// The table is the only place that knows names, flags, types, defaults and validation. The names, flags, defaults and
// verdicts are those of Gunicorn 27.0.1 (120 settings), checked against goldens in testdata; a few rows are our own and say so.
//
// # Order of events
//
//	ParseArgs(argv, env)      before any Python: usage errors (exit 2) and bad values (exit 1) end the program here
//	cl.ConfigFile()           which gunicorn.conf.py the zygote is to run, if any
//	cl.Merge(File{...})       default < file < GUNICORN_CMD_ARGS < command line, worker class and application resolved
//	cfg.Map()                 what the zygote and the workers get
//
// The package starts no process and opens nothing but the configuration file, and that only to name a line in an error.
package config

// Version is the version of gosrv, as --version and the start line show it.
var Version = "0.1.0"
