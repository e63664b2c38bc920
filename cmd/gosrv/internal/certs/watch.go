package certs

import (
	"os"
	"slices"
	"syscall"
	"time"
)

// stamp is what changes when a file is written or replaced, by a rename or by a link that
// points elsewhere (Kubernetes, certbot): the file behind the name.
type stamp struct {
	device, inode uint64
	size          int64
	changed       int64 // ns
}

// stamps looks at the files; one that is not there has the zero value.
func stamps(files []string) []stamp {
	found := make([]stamp, len(files))
	for i, path := range files {
		if info, err := os.Stat(path); err == nil {
			found[i] = stamp{size: info.Size(), changed: info.ModTime().UnixNano()}
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				found[i].device, found[i].inode = st.Dev, st.Ino
			}
		}
	}
	return found
}

// watch notices that files have changed and are at rest again: a certificate and its key
// are never replaced at the same moment. Looking is a few stat(2) calls, which see what
// inotify does not: a change behind a link's folder, and another machine's.
type watch struct {
	files   []string
	read    []stamp   // when they were read
	last    []stamp   // at the last look
	looked  time.Time // when that was
	settled bool      // the change was reported
}

// pause is how long two looks lie apart at least.
const pause = 700 * time.Millisecond

// follow begins with files that have just been read. The stamps must be from before that.
func follow(files []string, before []stamp) watch {
	return watch{files: files, read: before, last: before}
}

// changed looks, unless it has just done so, and tells once for each change that the files
// are others than were read, and the same as at the look before.
func (w *watch) changed(now time.Time) bool {
	if now.Sub(w.looked) < pause {
		return false
	}
	w.looked = now
	found := stamps(w.files)
	same := slices.Equal(found, w.last)
	w.last = found
	if !same {
		w.settled = false
		return false
	}
	if w.settled || slices.Equal(found, w.read) {
		return false
	}
	w.settled = true
	return true
}
