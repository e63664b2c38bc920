package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestKills(t *testing.T) {
	const (
		v2 = "low 0\nhigh 0\nmax 12\noom 4\noom_kill 3\noom_group_kill 0\n"
		v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"
	)
	for name, c := range map[string]struct {
		table string
		files map[string]string
		kills int
		where string
	}{
		"version 2":                 {"0::/app.slice/web.service\n", map[string]string{"app.slice/web.service/memory.events": v2}, 3, "/app.slice/web.service"},
		"version 1":                 {"9:name=systemd:/\n4:memory:/web\n3:cpuset:/\n0::/\n", map[string]string{"memory/web/memory.oom_control": v1}, 5, "/web"},
		"version 1, shared mount":   {"4:cpu,memory:/web\n", map[string]string{"cpu,memory/web/memory.oom_control": v1}, 5, "/web"},
		"version 2 beside 1":        {"0::/web\n", map[string]string{"unified/web/memory.events": v2}, 3, "/web"},
		"a container's own mount":   {"0::/docker/0123\n", map[string]string{"memory.events": v2}, 3, "/docker/0123"},
		"a kernel without counters": {"4:memory:/web\n", map[string]string{"memory/web/memory.oom_control": "under_oom 0\n"}, 0, ""},
		"no cgroups":                {"", nil, 0, ""},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "table"), c.table)
		for file, text := range c.files {
			write(t, filepath.Join(dir, "fs", file), text)
		}
		kills, where, ok := Find(filepath.Join(dir, "table"), filepath.Join(dir, "fs")).Kills()
		if kills != c.kills || where != c.where || ok != (c.where != "") {
			t.Errorf("%s: %d kills in %q, %v", name, kills, where, ok)
		}
	}
	if _, _, ok := Find("/nowhere/at/all", "/").Kills(); ok {
		t.Error("kills without a table")
	}
}
