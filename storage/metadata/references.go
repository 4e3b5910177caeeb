package metadata

import (
	"fmt"
	"iter"
)

// Reference is one stream that a checkpoint refers to, with its owner.
type Reference struct {
	Operator  *Operator
	Subtask   int    // [CoordinatorSubtask] for the operator's coordinator
	State     string // the part of the owner's state, in words
	Stream    Stream
	Changelog bool // whether the stream is of a changelog; then its recorded size leaves out compression and the first byte
}

// CoordinatorSubtask is the Subtask of a reference from an operator's coordinator.
const CoordinatorSubtask = -1

// References yields all streams in the order of the file.
func (c *Checkpoint) References() iter.Seq[Reference] {
	return func(yield func(Reference) bool) {
		for i := range c.Operators {
			if !c.Operators[i].references(yield) {
				return
			}
		}
	}
}

// walk yields streams until the consumer ends the loop.
type walk struct {
	reference Reference
	yield     func(Reference) bool
	ended     bool
}

func (o *Operator) references(yield func(Reference) bool) bool {
	w := &walk{yield: yield, reference: Reference{Operator: o, Subtask: CoordinatorSubtask}}
	w.stream("coordinator state", o.Coordinator)
	for i := range o.Subtasks {
		s := &o.Subtasks[i]
		w.reference.Subtask = int(s.Index)
		w.operatorHandle("managed operator state", s.ManagedOperator)
		w.operatorHandle("raw operator state", s.RawOperator)
		w.keyed("managed keyed state", s.ManagedKeyed)
		w.keyed("raw keyed state", s.RawKeyed)
		for _, channel := range s.Inputs {
			w.stream("records in an input channel", channel.Stream)
		}
		for _, channel := range s.Outputs {
			w.stream("records in an output channel", channel.Stream)
		}
	}
	return !w.ended
}

func (w *walk) stream(state string, s Stream) {
	if s == nil || w.ended {
		return
	}
	if nested, ok := s.(*KeyGroups); ok {
		w.stream(state, nested.Stream)
		return
	}
	w.reference.State, w.reference.Stream = state, s
	w.ended = !w.yield(w.reference)
}

func (w *walk) operatorHandle(state string, h OperatorHandle) {
	switch h := h.(type) {
	case *OperatorList:
		w.stream(state, h.Stream)
	case *FileMergingOperator:
		w.stream(state, h.Stream)
	}
}

func (w *walk) keyed(state string, h KeyedHandle) {
	switch h := h.(type) {
	case *KeyGroups:
		w.stream(state, h.Stream)
	case *Incremental:
		w.stream(state+": the backend's metadata", h.Meta)
		for _, files := range [][]LocalFile{h.Shared, h.Private} {
			for _, file := range files {
				w.stream(fmt.Sprintf("%s: %s", state, file.LocalPath), file.Stream)
			}
		}
	case *Changelog:
		for _, materialized := range h.Materialized {
			w.keyed(state+", materialized", materialized)
		}
		for _, changes := range h.Changes {
			w.keyed(state+", changes", changes)
		}
	case *ChangelogFiles:
		w.reference.Changelog = true
		for _, s := range h.Streams {
			w.stream(state, s.Stream)
		}
		w.reference.Changelog = false
	}
}

// InlineSize returns how many bytes of state are inside the `_metadata` file itself.
func (c *Checkpoint) InlineSize() int64 {
	var size int64
	for reference := range c.References() {
		if s, ok := reference.Stream.(*ByteStream); ok {
			size += int64(len(s.Data))
		}
	}
	return size
}
