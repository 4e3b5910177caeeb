package state

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// restore restores the entries of this subtask's key groups.
func (k *Keyed) restore(files filesystem.FileSystem, from Restore) error {
	for _, handle := range from.Keyed {
		for _, stream := range streams(handle) {
			if stream == nil {
				return fmt.Errorf("keyed state as %T is not this engine's", handle)
			}
			if err := k.read(files, from.Location, stream); err != nil {
				return err
			}
		}
	}
	k.timers.restore(k)
	k.changes.restored(from)
	return nil
}

// streams returns the streams of a handle in the order in which their entries must be applied to
// the state: an entry replaces an earlier entry with the same key. A nil stream means that this
// engine does not know the kind of the handle.
func streams(handle metadata.KeyedHandle) []metadata.Stream {
	switch h := handle.(type) {
	case *metadata.KeyGroups:
		return []metadata.Stream{h.Stream}
	case *metadata.Incremental:
		var all []metadata.Stream
		for _, file := range byAge(h.Shared) {
			all = append(all, file.Stream)
		}
		return all
	case *metadata.Changelog:
		var all []metadata.Stream
		for _, part := range slices.Concat(h.Materialized, h.Changes) {
			all = append(all, streams(part)...)
		}
		return all
	case *metadata.ChangelogFiles:
		var all []metadata.Stream
		for _, s := range h.Streams {
			all = append(all, s.Stream)
		}
		return all
	}
	return []metadata.Stream{nil}
}

// byAge sorts the files of an incremental checkpoint, oldest first. Their local paths begin with
// numbers, which grow with each file.
func byAge(files []metadata.LocalFile) []metadata.LocalFile {
	return slices.SortedFunc(slices.Values(files), func(a, b metadata.LocalFile) int { return strings.Compare(a.LocalPath, b.LocalPath) })
}

const readBuffer = 1 << 16 // the size of the read buffer, in bytes

// read reads the entries of a stream and applies them to the state. The parameter `location` is the
// directory of the checkpoint: the stream may name a file relative to this directory.
func (k *Keyed) read(files filesystem.FileSystem, location string, stream metadata.Stream) error {
	opened, err := storage.OpenState(files, location, stream)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }() // an error does not matter, because the stream was only read
	counted := &countingReader{reader: opened}
	in := bufio.NewReaderSize(counted, int(min(readBuffer, max(16, storage.SizeOf(stream)))))
	for {
		e, err := readEntry(in, storage.SizeOf(stream))
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = k.apply(e)
		}
		if err != nil {
			name, _, _ := storage.FileOf(location, stream)
			return fmt.Errorf("read keyed state %s: %w", name, err)
		}
	}
	if want := storage.SizeOf(stream); counted.n != want {
		name, _, _ := storage.FileOf(location, stream)
		return fmt.Errorf("read keyed state: %s: want %d bytes, got %d", name, want, counted.n)
	}
	return nil
}

type countingReader struct {
	reader io.Reader
	n      int64
}

func (c *countingReader) Read(data []byte) (int, error) {
	n, err := c.reader.Read(data)
	c.n += int64(n)
	return n, err
}

// apply puts an entry into the state. It skips entries of other subtasks' key groups.
func (k *Keyed) apply(e entry) error {
	group, key, name, member, err := splitEntryKey(e.key)
	if err != nil {
		return err
	}
	if group < k.first || group > k.last {
		return nil
	}
	k.SetKey(key, group)
	switch {
	case member == "" && e.value == nil:
		delete(k.cells[group-k.first], cellKey{key, name})
	case member == "":
		k.cellToChange(name).value = e.value
	case e.value == nil:
		if c := k.cell(name); c != nil {
			delete(c.members, member)
		}
	default:
		c := k.cellToChange(name)
		if c.members == nil {
			c.members = map[string][]byte{}
		}
		c.members[member] = e.value
	}
	return nil
}
