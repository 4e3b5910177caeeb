package process

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Tail reads the lines that are appended to a file.
type Tail struct {
	name   string
	offset int64
	rest   []byte // the beginning of a line that is not yet complete
}

// NewTail follows a file from its beginning. The file need not exist yet.
func NewTail(name string) *Tail { return &Tail{name: name} }

// Name returns the name of the file.
func (t *Tail) Name() string { return t.name }

// Lines returns the lines that were completed in the file since the last call of Lines.
func (t *Tail) Lines() ([]string, error) {
	file, err := os.Open(t.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	appended, err := io.ReadAll(io.NewSectionReader(file, t.offset, 1<<62))
	if err != nil {
		return nil, err
	}
	t.offset += int64(len(appended))
	t.rest = append(t.rest, appended...)
	var lines []string
	for {
		line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
		if !whole {
			return lines, nil
		}
		lines = append(lines, string(line))
		t.rest = rest
	}
}
