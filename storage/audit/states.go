package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/snapback/snapback/storage/metadata"
)

// describeState returns a text that names a part of an operator's state.
func describeState(use metadata.Reference) string {
	if use.Subtask == metadata.CoordinatorSubtask {
		return use.State
	}
	return fmt.Sprintf("subtask %d: %s", use.Subtask, use.State)
}

// The backends of keyed state. Different backends may have the same type of handle, so a name may
// stand for several backends.
const (
	backendRocksDB   = "rocksdb (or another that is incremental)"
	backendHashMap   = "hashmap (or rocksdb, in full snapshots of older releases)"
	backendCanonical = "any (canonical savepoint)"
	changelogOver    = "changelog over "
)

// backendOf names the backends that wrote the keyed state of these operators. The text is empty if
// the operators have no keyed state.
func backendOf(operators ...metadata.Operator) string {
	backends := map[string]bool{}
	for i := range operators {
		for _, s := range operators[i].Subtasks {
			if name := keyedBackend(s.ManagedKeyed); name != "" {
				backends[name] = true
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(backends)), ", ")
}

func keyedBackend(h metadata.KeyedHandle) string {
	switch h := h.(type) {
	case *metadata.Incremental:
		return backendRocksDB
	case *metadata.KeyGroups:
		if h.Kind == metadata.KeyGroupsSavepoint {
			return backendCanonical
		}
		return backendHashMap
	case *metadata.Changelog:
		for _, materialized := range h.Materialized {
			return changelogOver + keyedBackend(materialized)
		}
		return changelogOver + "a backend that is not recorded yet"
	}
	return ""
}

// statesOf lists the named states of an operator, except keyed states.
func statesOf(o *metadata.Operator) []InspectedState {
	states := map[string]*InspectedState{}
	for _, s := range o.Subtasks {
		for _, h := range []metadata.OperatorHandle{s.ManagedOperator, s.RawOperator} {
			for _, state := range namedStates(h) {
				if states[state.Name] == nil {
					states[state.Name] = &InspectedState{Name: state.Name, Kind: state.Mode.String()}
				}
				states[state.Name].Parts += len(state.Offsets)
			}
		}
	}
	all := []InspectedState{}
	for _, state := range states {
		all = append(all, *state)
	}
	slices.SortFunc(all, func(a, b InspectedState) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func namedStates(h metadata.OperatorHandle) []metadata.NamedState {
	switch h := h.(type) {
	case *metadata.OperatorList:
		return h.States
	case *metadata.FileMergingOperator:
		return h.States
	}
	return nil
}
