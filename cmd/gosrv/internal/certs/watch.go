package certs

import (
	"os"
	"slices"
	"syscall"
)

// stamp is what changes when a file is written or replaced, by a rename or by a link that
// points elsewhere (Kubernetes, certbot): the file behind the name.
type stamp struct {
	device, inode uint64
	size          int64
	changed       int64 // ns
}

// stampOf looks at a file; one that is not there has the zero value.
func stampOf(path string) (found stamp) {
	info, err := os.Stat(path)
	if err != nil {
		return found
	}
	found = stamp{size: info.Size(), changed: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		found.device, found.inode = st.Dev, st.Ino
	}
	return found
}

// watch notices that files have changed and are at rest again: a certificate and its key
// are never replaced at the same moment. Looking is a few stat(2) calls, which see what
// inotify does not: a change behind a link's folder, and another machine's.
type watch struct {
	files   []string
	read    []stamp // when they were read
	last    []stamp // at the last look
	settled bool    // the change was reported
}

// follow begins with files that have just been read. The stamps must be from before that.
func follow(files []string, before []stamp) watch {
	return watch{files: files, read: before, last: before}
}

// changed looks, and tells once for each change that the files are others than were read,
// and the same as at the look before.
func (w *watch) changed() bool {
	found := make([]stamp, len(w.files))
	for i, path := range w.files {
		found[i] = stampOf(path)
	}
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
