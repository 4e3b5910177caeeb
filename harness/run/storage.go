package run

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage/filesystem"
)

// The session regards storage as settled if it has not changed for the time settledAfter. The
// session waits for the time settleEvery before it looks at storage again. Both are times of the
// cluster's clock.
const (
	settledAfter = time.Second
	settleEvery  = 100 * time.Millisecond
)

// settle waits until storage no longer changes, and records what storage holds.
func (r *Session) settle(ctx context.Context, label string) error {
	r.progress("looking at what is on storage")
	began := r.cluster.Now()
	last, err := r.tree()
	if err != nil {
		return err
	}
	since, lookAt := r.cluster.Now(), r.cluster.Now()+settleEvery
	for r.cluster.Now() < since+settledAfter {
		if r.cluster.Now() > began+r.scenario.Bound {
			r.record(history.Event{Kind: history.GaveUp, Label: "storage to settle", Error: "it keeps changing", Waited: r.scenario.Bound.Microseconds()})
			return ErrGaveUp
		}
		if err := r.Step(ctx); err != nil {
			return err
		}
		if r.cluster.Now() < lookAt {
			continue
		}
		lookAt = r.cluster.Now() + settleEvery
		next, err := r.tree()
		if err != nil {
			return err
		}
		if !slices.Equal(last, next) {
			last, since = next, r.cluster.Now()
		}
	}
	r.record(history.Event{Kind: history.Storage, Label: label, Tree: last})
	return r.audit(label, last)
}

// audit records what is wrong with the files of the checkpoints on storage. The parameter tree
// lists all files on storage. If it is nil, audit does not look for orphans, which are files to
// which no checkpoint refers.
func (r *Session) audit(label string, tree []history.Entry) error {
	found, err := evidence.Audit(r.cluster.Files(), r.cluster.Root(), tree)
	if err != nil {
		return err
	}
	event := history.Event{Kind: history.Audit, Label: label, Dangling: found.Dangling, Orphans: found.Orphans}
	if label != "" {
		event.Foreign, event.Gone = found.Foreign, r.gone()
		event.Described = slices.Concat(found.Described, r.savepoints())
	}
	if label != "" || len(event.Dangling) > 0 {
		r.record(event)
	}
	return nil
}

// readInFlight records how much data in flight a completed checkpoint holds. It records nothing for a
// checkpoint that exists no more, or whose state is not on storage.
func (r *Session) readInFlight(completed history.Event) {
	directory := filesystem.Join(r.cluster.Root(), completed.ID, evidence.CheckpointName(completed.Checkpoint))
	read, err := evidence.Read(r.cluster.Files(), filesystem.Join(directory, evidence.MetadataName))
	if err != nil {
		return // the oracles see no event, and say so if the scenario depends on it
	}
	r.record(history.Event{Kind: history.InFlight, ID: completed.ID, Checkpoint: completed.Checkpoint, Size: read.InFlightBytes})
}

// savepoints describes the savepoints that were taken and still exist. A savepoint below the
// checkpoint root is described with the checkpoints.
func (r *Session) savepoints() (described []history.Described) {
	for _, e := range r.history.Events {
		if e.Kind != history.Savepointed || strings.HasPrefix(e.Path, r.cluster.Root()+"/") {
			continue
		}
		metadata, err := evidence.Locate(r.cluster.Files(), e.Path)
		if err != nil {
			continue // the event says that it is gone
		}
		if one, err := evidence.Describe(r.cluster.Files(), r.cluster.Root(), filesystem.Dir(metadata)); err == nil {
			described = append(described, one)
		}
	}
	return described
}

// gone lists the savepoints that were taken but no longer exist.
func (r *Session) gone() (paths []string) {
	for _, e := range r.history.Events {
		if e.Kind != history.Savepointed {
			continue
		}
		if _, err := evidence.Locate(r.cluster.Files(), e.Path); err != nil {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// tree lists everything below the checkpoint directory.
func (r *Session) tree() ([]history.Entry, error) {
	return evidence.Tree(r.cluster.Files(), r.cluster.Root())
}

// collect records the output that a job committed, and how much of its input the job has read.
func (r *Session) collect(name string) error {
	files, dir := r.cluster.Files(), r.dir(name)
	committed, prefix := filesystem.Join(dir, workload.CommittedName), ""
	if r.scenario.Workload.Connectors == workload.FileSink { // the jobs have one directory
		committed, prefix = filesystem.Join(r.cluster.Work(), workload.CommittedName), name+"."
	}
	outputs, err := evidence.Outputs(files, committed)
	if err != nil {
		return err
	}
	for _, output := range outputs {
		if strings.HasPrefix(output.Path, prefix) {
			r.record(history.Event{Kind: history.Output, Job: name, Path: output.Path, Lines: output.Lines})
		}
	}
	progress, err := evidence.Sizes(files, filesystem.Join(dir, workload.ProgressName))
	for _, e := range progress {
		r.record(history.Event{Kind: history.Progress, Job: name, Path: e.Path, Size: e.Size})
	}
	return err
}
