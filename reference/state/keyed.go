package state

import (
	"slices"
	"strings"
)

// Keyed is the keyed state of one subtask. Each key has named values, lists and maps. One key is
// the current key, and all methods use its state.
type Keyed struct {
	first, last, groups int // first, last: the key groups of this subtask; groups: the number of all key groups
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

// cell is one named state of one key. A value is replaced, never changed, so a snapshot can keep a
// reference to it.
type cell struct {
	value   []byte            // nil if there is no value
	members map[string][]byte // the members, if the state is a map
}

// NewKeyed returns the empty keyed state of a subtask that owns the key groups from `first` to
// `last`, of `groups` key groups in all. The id identifies the subtask's backend in handles.
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

// SetKey makes a key the current key. The group is its key group.
func (k *Keyed) SetKey(key int32, group int) { k.key, k.group = key, group }

// Key returns the current key.
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

// value returns the current value of the entry with this key, or nil if there is none.
func (k *Keyed) value(key string) []byte {
	group, number, name, member, err := splitEntryKey(key)
	if err != nil {
		return nil // this engine never writes such a key
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
	for at, c := range k.cells[group-k.first] { // the order does not matter, because entries is sorted below
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

// snapshot takes a snapshot of the keyed state.
func (k *Keyed) snapshot(checkpoint int64, kind Kind) keyedSnapshot {
	if kind == Savepoint {
		return k.whole()
	}
	return k.changes.snapshot(checkpoint)
}
