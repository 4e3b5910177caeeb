package state

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// Keyed is the keyed state of one subtask: for each of its keys, named values, lists
// and maps. There is a current key; all access is to what is that key's.
type Keyed struct {
	first, last, groups int // key groups; groups in all
	cells               []map[cellKey]*cell
	changes             tracker
	timers              timers

	key   int32
	group int
}

type cellKey struct {
	key  int32
	name string
}

// cell is one named state of one key. Values are replaced, never changed, so that a
// snapshot can hold on to them.
type cell struct {
	value   []byte            // nil if there is none
	members map[string][]byte // of a map
}

// entry is one piece of keyed state as it is written.
type entry struct {
	key   string // see entryKey
	value []byte // nil: deleted
}

// NewKeyed returns the empty keyed state of a subtask that owns the key groups from
// first to last, out of groups. The id names the subtask's backend.
func NewKeyed(backend Backend, id string, first, last, groups int) *Keyed {
	k := &Keyed{first: first, last: last, groups: groups, cells: make([]map[cellKey]*cell, max(0, last-first+1))}
	switch backend {
	case Incremental:
		k.changes = newSorted(k, id)
	case Changelog:
		k.changes = newLog(k)
	default:
		k.changes = untracked{k}
	}
	return k
}

// SetKey makes a key of the given group the current one.
func (k *Keyed) SetKey(key int32, group int) { k.key, k.group = key, group }

// Key is the current key.
func (k *Keyed) Key() int32 { return k.key }

func (k *Keyed) cell(name string) *cell { return k.cells[k.group-k.first][cellKey{k.key, name}] }

func (k *Keyed) cellToChange(name string) *cell {
	group := k.cells[k.group-k.first]
	found := group[cellKey{k.key, name}]
	if found == nil {
		found = &cell{}
		if group == nil {
			group = map[cellKey]*cell{}
			k.cells[k.group-k.first] = group
		}
		group[cellKey{k.key, name}] = found
	}
	return found
}

func (k *Keyed) changed(name, member string, value []byte) {
	k.changes.changed(k.group, k.key, name, member, value)
}

// entryKey is what a piece of keyed state is called where it is written: key group,
// key, name, and the member of a map. Its order is that of the key groups.
func entryKey(group int, key int32, name, member string) string {
	var b strings.Builder
	b.Grow(7 + len(name) + len(member))
	b.WriteByte(byte(group >> 8))
	b.WriteByte(byte(group))
	for shift := 24; shift >= 0; shift -= 8 {
		b.WriteByte(byte(uint32(key) >> shift))
	}
	b.WriteString(name)
	b.WriteByte(0)
	b.WriteString(member)
	return b.String()
}

const entryKeyMin = 7 // bytes

func splitEntryKey(k string) (group int, key int32, name, member string, err error) {
	if len(k) < entryKeyMin {
		return 0, 0, "", "", fmt.Errorf("the key of an entry has %d bytes, fewer than %d", len(k), entryKeyMin)
	}
	name, member, found := strings.Cut(k[6:], "\x00")
	if !found {
		return 0, 0, "", "", errors.New("the key of an entry has no name")
	}
	return int(k[0])<<8 | int(k[1]), int32(binary.BigEndian.Uint32([]byte(k[2:6]))), name, member, nil
}

// value returns the value of an entry as it is now; nil if there is none.
func (k *Keyed) value(key string) []byte {
	group, number, name, member, err := splitEntryKey(key)
	if err != nil {
		return nil // never written by us
	}
	found := k.cells[group-k.first][cellKey{number, name}]
	switch {
	case found == nil:
		return nil
	case found.members != nil:
		return found.members[member]
	}
	return found.value
}

// all returns every entry of one key group, in order.
func (k *Keyed) all(group int) []entry {
	var entries []entry
	for at, c := range k.cells[group-k.first] { // sorted below
		if c.value != nil {
			entries = append(entries, entry{entryKey(group, at.key, at.name, ""), c.value})
		}
		for member, value := range c.members {
			entries = append(entries, entry{entryKey(group, at.key, at.name, member), value})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return entries
}

// snapshot notes the keyed state.
func (k *Keyed) snapshot(checkpoint int64, kind Kind) keyedSnapshot {
	if kind == Savepoint {
		return k.whole()
	}
	return k.changes.snapshot(checkpoint)
}

// whole is a snapshot of everything, key group after key group.
func (k *Keyed) whole() *wholeSnapshot {
	s := &wholeSnapshot{first: k.first, scope: checkpoints.Exclusive}
	for group := k.first; group <= k.last; group++ {
		s.groups = append(s.groups, k.all(group))
	}
	return s
}

type wholeSnapshot struct {
	first  int
	groups [][]entry
	scope  checkpoints.Scope
}

func (s *wholeSnapshot) write(w writer) (metadata.KeyedHandle, error) {
	handle, err := s.writeGroups(w)
	if err != nil || handle == nil {
		return nil, err // not a handle that is nil
	}
	return handle, nil
}

func (s *wholeSnapshot) writeGroups(w writer) (*metadata.KeyGroups, error) {
	handle := &metadata.KeyGroups{Kind: metadata.KeyGroupsV2, Start: int32(s.first), ID: w.newID()}
	var written int64
	stream, err := w.stream(s.scope, func(out *checkpoints.StateStream) error {
		for _, entries := range s.groups {
			handle.Offsets = append(handle.Offsets, written)
			for _, e := range entries {
				n, err := e.writeTo(out)
				if err != nil {
					return err
				}
				written += n
			}
		}
		return nil
	})
	if err != nil || stream == nil {
		return nil, err
	}
	handle.Stream = stream
	return handle, nil
}

// writeTo writes an entry: the length of its key and the key, one more than the length
// of its value and the value, or 0 if it was deleted.
func (e entry) writeTo(out io.Writer) (int64, error) {
	head := binary.AppendUvarint(make([]byte, 0, 2*binary.MaxVarintLen64+len(e.key)), uint64(len(e.key)))
	head = append(head, e.key...)
	if e.value == nil {
		head = append(head, 0)
	} else {
		head = binary.AppendUvarint(head, uint64(len(e.value))+1)
	}
	n, err := out.Write(head)
	if err != nil || len(e.value) == 0 {
		return int64(n), err
	}
	m, err := out.Write(e.value)
	return int64(n + m), err
}

// restore brings back the entries of this subtask's key groups.
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

// streams returns the streams of a handle in the order in which they are to be
// applied; nil is one that is not this engine's.
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

// byAge sorts the files of an incremental checkpoint, oldest first: their names are
// numbers.
func byAge(files []metadata.LocalFile) []metadata.LocalFile {
	return slices.SortedFunc(slices.Values(files), func(a, b metadata.LocalFile) int { return strings.Compare(a.LocalPath, b.LocalPath) })
}

// read applies the entries of a stream that are this subtask's.
func (k *Keyed) read(files filesystem.FileSystem, location string, stream metadata.Stream) error {
	opened, err := storage.OpenState(files, location, stream)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }() // only read from
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

const readBuffer = 1 << 16 // bytes

type countingReader struct {
	reader io.Reader
	n      int64
}

func (c *countingReader) Read(data []byte) (int, error) {
	n, err := c.reader.Read(data)
	c.n += int64(n)
	return n, err
}

// readEntry is the inverse of writeTo; io.EOF means that there are no more. No part of
// an entry is larger than limit.
func readEntry(in *bufio.Reader, limit int64) (entry, error) {
	length, err := binary.ReadUvarint(in)
	if err != nil {
		return entry{}, err
	}
	key, err := readBytes(in, length, limit)
	if err != nil {
		return entry{}, err
	}
	length, err = binary.ReadUvarint(in)
	if err != nil {
		return entry{}, torn(err)
	}
	if length == 0 {
		return entry{key: string(key)}, nil
	}
	value, err := readBytes(in, length-1, limit)
	return entry{string(key), value}, err
}

func readBytes(in *bufio.Reader, length uint64, limit int64) ([]byte, error) {
	if length > uint64(limit) {
		return nil, fmt.Errorf("an entry has a part of %d bytes, in a stream of %d", length, limit)
	}
	data := make([]byte, length)
	_, err := io.ReadFull(in, data)
	return data, torn(err)
}

// torn tells the end of a stream within an entry from one after it.
func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// apply puts an entry into the state, if its key group is this subtask's.
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
