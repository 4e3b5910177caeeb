package state

import (
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/metadata"
)

// whole takes a snapshot of all keyed state, sorted by key group.
func (k *Keyed) whole() *wholeSnapshot {
	s := &wholeSnapshot{first: k.first, scope: checkpoints.Exclusive}
	for group := k.first; group <= k.last; group++ {
		s.groups = append(s.groups, k.all(group))
	}
	return s
}

// wholeSnapshot writes all keyed state.
type wholeSnapshot struct {
	first  int
	groups [][]entry
	scope  checkpoints.Scope
}

func (s *wholeSnapshot) write(w writer) (metadata.KeyedHandle, error) {
	handle, err := s.writeGroups(w)
	if err != nil || handle == nil {
		return nil, err // the result is a nil interface, never an interface that holds a nil pointer
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
