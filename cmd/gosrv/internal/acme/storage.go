package acme

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// DefaultStorage is where certificates are kept if nobody says otherwise: systemd's
// StateDirectory, /var/lib for root, else the user's folder for such things.
func DefaultStorage() (string, error) {
	if dir := os.Getenv("STATE_DIRECTORY"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "acme"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/gosrv/acme", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "gosrv", "acme"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("acme_storage: no folder to keep certificates in, since HOME is not set: name one")
	}
	return filepath.Join(home, ".local", "state", "gosrv", "acme"), nil
}

// Prepare makes the folder of an order, and refuses one that others may read: it holds
// private keys.
func (o *Order) Prepare() error {
	if err := os.MkdirAll(filepath.Dir(o.File("x")), 0o700); err != nil {
		return fmt.Errorf("acme_storage: %w", err)
	}
	info, err := os.Stat(o.Storage)
	if err != nil {
		return fmt.Errorf("acme_storage: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("acme_storage: %s holds private keys, and others may look into it (mode %04o): chmod 700 %s", o.Storage, mode, o.Storage)
	}
	return nil
}
