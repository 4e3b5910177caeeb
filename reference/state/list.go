package state

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// List is a list of operator state. The mode says what happens to its elements when the parallelism
// changes: they are distributed again over the subtasks, or each subtask gets all elements.
type List struct {
	name     string
	mode     metadata.Mode
	elements [][]byte
}

// savedList is a list in a snapshot or a checkpoint.
type savedList struct {
	name     string
	mode     metadata.Mode
	elements [][]byte
}

// List returns the list with a name and its restored elements. Call it once for each name.
func (s *Subtask) List(name string, mode metadata.Mode) *List {
	list := &List{name: name, mode: mode, elements: s.saved[name].elements}
	delete(s.saved, name)
	s.lists = append(s.lists, list)
	return list
}

// Elements returns the elements of the list.
func (l *List) Elements() [][]byte { return l.elements }

// Set replaces the elements of the list. The caller must not change them any more.
func (l *List) Set(elements [][]byte) { l.elements = elements }

// writeLists writes all lists to one stream. It writes the length of each element before the
// element, so that each element can be read alone.
func writeLists(w writer, lists []savedList) (*metadata.OperatorList, error) {
	handle := &metadata.OperatorList{}
	var written int64
	stream, err := w.stream(checkpoints.Exclusive, func(out *checkpoints.StateStream) error {
		for _, list := range lists {
			named := metadata.NamedState{Name: list.name, Mode: list.mode}
			for _, element := range list.elements {
				named.Offsets = append(named.Offsets, written)
				encoded := append(binary.AppendUvarint(nil, uint64(len(element))), element...)
				if _, err := out.Write(encoded); err != nil {
					return err
				}
				written += int64(len(encoded))
			}
			handle.States = append(handle.States, named)
		}
		return nil
	})
	if err != nil || stream == nil {
		return nil, err
	}
	handle.Stream = stream
	return handle, nil
}

func (s *Subtask) restoreLists(files filesystem.FileSystem, location string, from metadata.OperatorHandle) error {
	handle, ok := from.(*metadata.OperatorList)
	if !ok {
		return fmt.Errorf("operator state as %T is not this engine's", from)
	}
	data, err := storage.ReadState(files, location, handle.Stream)
	if err != nil {
		return err
	}
	for _, named := range handle.States {
		list := s.saved[named.Name]
		list.name, list.mode = named.Name, named.Mode
		for i, offset := range named.Offsets {
			element, err := elementAt(data, offset)
			if err != nil {
				return fmt.Errorf("element %d of list %q: %w", i, named.Name, err)
			}
			list.elements = append(list.elements, element)
		}
		s.saved[named.Name] = list
	}
	return nil
}

func elementAt(data []byte, offset int64) ([]byte, error) {
	if offset < 0 || offset > int64(len(data)) {
		return nil, fmt.Errorf("want an offset of 0 to %d, got %d", len(data), offset)
	}
	length, size := binary.Uvarint(data[offset:])
	rest := data[offset+int64(max(size, 0)):]
	if size <= 0 || length > uint64(len(rest)) {
		return nil, fmt.Errorf("at offset %d: want %d bytes, got %d", offset, length, len(rest))
	}
	return slices.Clip(rest[:length]), nil
}
