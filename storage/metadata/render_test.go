package metadata_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snapback/snapback/storage/metadata"
)

// rendered describes a checkpoint in the same text form in which the public corpus describes what
// Flink's loader read.
func rendered(c *metadata.Checkpoint) string {
	lines := []string{fmt.Sprintf("cp %d masters=%d ops=%d trailing=%d", c.ID, len(c.MasterStates), len(c.Operators), len(c.Trailing))}
	if c.Properties != nil {
		lines = append(lines, renderProperties(c.Properties))
	}
	for i := range c.Operators {
		lines = append(lines, renderOperator(&c.Operators[i])...)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func renderProperties(p *metadata.Properties) string {
	line := fmt.Sprintf("props %s savepoint=%t sub=%t fin=%t can=%t fail=%t susp=%t unclaimed=%t sharing=%s", p.Name, p.Savepoint,
		p.DiscardSubsumed, p.DiscardFinished, p.DiscardCanceled, p.DiscardFailed, p.DiscardSuspended, p.Unclaimed, p.Sharing)
	if p.Savepoint {
		line += " format=" + p.Format
	}
	return line
}

func renderOperator(o *metadata.Operator) []string {
	var lines []string
	size, coordinator := int64(0), "null"
	if o.Coordinator != nil {
		size = streamSize(o.Coordinator)
		coordinator = fmt.Sprint(size)
	}
	for i := range o.Subtasks {
		subtask, bytes := renderSubtask(o, &o.Subtasks[i])
		lines, size = append(lines, subtask...), size+bytes
	}
	return append(lines, fmt.Sprintf("op %s uid=%s name=%s par=%d max=%d fin=%t coord=%s size=%d",
		o.ID, orDash(o.UID), orDash(o.Name), o.Parallelism, o.MaxParallelism, o.FullyFinished, coordinator, size))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func renderSubtask(o *metadata.Operator, s *metadata.Subtask) (lines []string, size int64) {
	prefix := fmt.Sprintf("st %s %d ", o.ID, s.Index)
	lines = []string{fmt.Sprintf("%sfinished=%t", prefix, s.Finished)}
	add := func(kind string, bytes int64, text string) {
		if text != "" {
			lines, size = append(lines, prefix+kind+" "+text), size+bytes
		}
	}
	add("mo", operatorSize(s.ManagedOperator), renderOperatorHandle(s.ManagedOperator))
	add("ro", operatorSize(s.RawOperator), renderOperatorHandle(s.RawOperator))
	add("mk", keyedSize(s.ManagedKeyed), renderKeyed(s.ManagedKeyed))
	add("rk", keyedSize(s.RawKeyed), renderKeyed(s.RawKeyed))
	for _, channel := range s.Inputs {
		add("in", channel.Size, fmt.Sprintf("%d %s", channel.Size, renderStream(channel.Stream)))
	}
	for _, channel := range s.Outputs {
		add("out", channel.Size, fmt.Sprintf("%d %s", channel.Size, renderStream(channel.Stream)))
	}
	return lines, size
}

func renderStream(s metadata.Stream) string {
	switch s := s.(type) {
	case *metadata.ByteStream:
		return fmt.Sprintf("<byteStream %d name=%s>", len(s.Data), s.Name)
	case *metadata.File:
		return fmt.Sprintf("<file %d %s>", s.Size, s.Path)
	case *metadata.RelativeFile:
		return fmt.Sprintf("<relativeFile %d %s>", s.Size, s.Path)
	}
	return fmt.Sprintf("<%T is not in the corpus>", s)
}

func streamSize(s metadata.Stream) int64 {
	switch s := s.(type) {
	case *metadata.ByteStream:
		return int64(len(s.Data))
	case *metadata.File:
		return s.Size
	case *metadata.RelativeFile:
		return s.Size
	}
	return 0
}

func renderOperatorHandle(h metadata.OperatorHandle) string {
	list, ok := h.(*metadata.OperatorList)
	if !ok {
		return ""
	}
	var states []string
	for _, s := range list.States {
		states = append(states, fmt.Sprintf("%s/%s/%d", s.Name, s.Mode, len(s.Offsets)))
	}
	slices.Sort(states)
	return fmt.Sprintf("operatorList %d [%s] %s", operatorSize(h), strings.Join(states, ", "), renderStream(list.Stream))
}

func operatorSize(h metadata.OperatorHandle) int64 {
	if list, ok := h.(*metadata.OperatorList); ok {
		return streamSize(list.Stream)
	}
	return 0
}

func renderKeyed(h metadata.KeyedHandle) string {
	size := keyedSize(h)
	switch h := h.(type) {
	case *metadata.KeyGroups:
		kind := "keyGroups"
		if h.Kind == metadata.KeyGroupsSavepoint {
			kind = "keyGroupsSavepoint"
		}
		return fmt.Sprintf("%s %d %s %s", kind, size, renderRange(h.Range()), renderStream(h.Stream))
	case *metadata.Incremental:
		return renderIncremental(h)
	case *metadata.Changelog:
		parts := slices.Concat(renderParts("M:", h.Materialized), renderParts("N:", h.Changes))
		return fmt.Sprintf("changelog %d %s cp=%d [%s]", size, renderRange(h.Range), changelogCheckpoint(h), strings.Join(parts, ", "))
	case *metadata.ChangelogBytes:
		return fmt.Sprintf("changelogByte %d %s", size, renderRange(h.Range))
	}
	return ""
}

func renderParts(kind string, handles []metadata.KeyedHandle) (parts []string) {
	for _, h := range handles {
		parts = append(parts, kind+renderKeyed(h))
	}
	return parts
}

// changelogCheckpoint returns the id of the checkpoint. The old form of the handle does not record
// this id. In that case Flink uses the number of the materialization, and so does the test.
func changelogCheckpoint(h *metadata.Changelog) int64 {
	if h.V1 {
		return h.Materialization
	}
	return h.Checkpoint
}

func renderIncremental(h *metadata.Incremental) string {
	var files []string
	for _, file := range h.Shared {
		files = append(files, fmt.Sprintf("S:%s=%s", file.LocalPath, renderStream(file.Stream)))
	}
	for _, file := range h.Private {
		files = append(files, fmt.Sprintf("P:%s=%s", file.LocalPath, renderStream(file.Stream)))
	}
	slices.Sort(files)
	size := keyedSize(h)
	checkpointed := h.CheckpointedSize
	if h.V1 || checkpointed < 0 {
		checkpointed = size // Flink uses the whole size if the checkpointed size is unknown
	}
	return fmt.Sprintf("incremental %d ckptd=%d %s cp=%d backend=%s meta=%s [%s]",
		size, checkpointed, renderRange(h.Range), h.Checkpoint, h.Backend, renderStream(h.Meta), strings.Join(files, ", "))
}

func renderRange(r metadata.KeyGroupRange) string { return fmt.Sprintf("%d-%d", r.Start, r.Last()) }

func keyedSize(h metadata.KeyedHandle) (size int64) {
	switch h := h.(type) {
	case *metadata.KeyGroups:
		return streamSize(h.Stream)
	case *metadata.Incremental:
		size = streamSize(h.Meta)
		for _, file := range slices.Concat(h.Shared, h.Private) {
			size += streamSize(file.Stream)
		}
	case *metadata.Changelog:
		for _, inner := range slices.Concat(h.Materialized, h.Changes) {
			size += keyedSize(inner)
		}
	case *metadata.ChangelogBytes:
		for _, change := range h.Changes {
			size += int64(len(change.Data))
		}
	}
	return size
}
