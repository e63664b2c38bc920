package plan

import "testing"

// A worker has a default of its own for keepalive: it must know whether the
// value is one that the user has chosen.
func TestWorkersLearnWhetherKeepaliveWasChosen(t *testing.T) {
	for _, chosen := range []bool{false, true} {
		p := &Plan{Settings: map[string]any{"keepalive": 2, "tmp_upload_dir": "/var/spool/x"}, KeepaliveSet: chosen}
		if err := p.Prepare(); err != nil {
			t.Fatal(err)
		}
		if p.Worker.Keepalive != 2 || p.Worker.KeepaliveSet != chosen || p.Worker.TmpUploadDir != "/var/spool/x" {
			t.Errorf("chosen %v: workers get %+v", chosen, p.Worker)
		}
	}
}
