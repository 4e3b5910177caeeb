package audit

import (
	"io"
	"io/fs"
	"path"
	"sync"

	"github.com/snapback/snapback/storage/filesystem"
)

// looker answers a verifier's questions about files. There are two implementations. The type direct
// asks storage each time. The type remembered asks storage once, and remembers the answer for other
// checkpoints.
type looker interface {
	stat(name string) (filesystem.Entry, error)
	first(name string) (byte, error) // the first byte of the file; io.EOF if the file is empty
}

// direct asks storage each time it is asked.
type direct struct{ files filesystem.FileSystem }

func (d direct) stat(name string) (filesystem.Entry, error) { return d.files.Stat(name) }

func (d direct) first(name string) (byte, error) {
	reader, err := d.files.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = reader.Close() }() // an error of Close does no harm, because the file was only read
	first := make([]byte, 1)
	_, err = io.ReadFull(reader, first)
	return first[0], err
}

// remembered remembers the content of directories and the first bytes of files. So it lists each
// directory only once, and opens each shared file only once.
type remembered struct {
	direct
	mu     sync.Mutex
	dirs   map[string]*listing
	opened map[string]*opening
}

type listing struct {
	once    sync.Once
	entries map[string]filesystem.Entry
	err     error
}

type opening struct {
	once  sync.Once
	first byte
	err   error
}

func newRemembered(files filesystem.FileSystem) *remembered {
	return &remembered{direct: direct{files}, dirs: map[string]*listing{}, opened: map[string]*opening{}}
}

// remember returns the value that the map contains for this name. If there is none, it adds a new
// value to the map.
func remember[T any](r *remembered, of map[string]*T, name string) *T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of[name] == nil {
		of[name] = new(T)
	}
	return of[name]
}

func (r *remembered) stat(name string) (filesystem.Entry, error) {
	dir := remember(r, r.dirs, filesystem.Dir(name))
	dir.once.Do(func() {
		entries, err := r.files.List(filesystem.Dir(name))
		dir.entries, dir.err = make(map[string]filesystem.Entry, len(entries)), err
		for _, entry := range entries {
			dir.entries[entry.Name] = entry
		}
	})
	entry, ok := dir.entries[path.Base(name)]
	switch {
	case dir.err != nil:
		return filesystem.Entry{}, dir.err
	case !ok:
		return filesystem.Entry{}, filesystem.Failure("stat", name, fs.ErrNotExist)
	case entry.Link:
		return r.files.Stat(name)
	}
	return entry, nil
}

func (r *remembered) first(name string) (byte, error) {
	o := remember(r, r.opened, name)
	o.once.Do(func() { o.first, o.err = r.direct.first(name) })
	return o.first, o.err
}
