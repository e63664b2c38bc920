package config

import (
	"strings"
	"testing"
)

func TestPrintConfigHasGunicornsLines(t *testing.T) {
	cfg, _ := merged(t, []string{"app:app", "-w", "3", "-e", "A=it's"}, File{})
	text := "\n" + cfg.Print()
	for _, line := range []string{
		"workers                            = 3",
		"bind                               = ['127.0.0.1:8000']",
		"accesslog                          = None",
		"preload_app                        = False",
		"pre_fork                           = <Prefork.pre_fork()>",
		"default_proc_name                  = app:app",
		"control_socket_mode                = 384",
		`raw_env                            = ["A=it's"]`,
		"sendfile                           = None",
		"statsd_prefix                      = ",
		"forwarded_allow_ips                = ['127.0.0.1', '::1']",
		`access_log_format                  = %(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestVersionText(t *testing.T) {
	if VersionText() != "gosrv (version "+Version+")\n" {
		t.Error(VersionText())
	}
}
