package storage

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// CheckpointStorage is where the checkpoints of one job go. There are two:
// [JobManagerCheckpointStorage] and [FileSystemCheckpointStorage].
type CheckpointStorage interface {
	// Prepare makes what all checkpoints of the job have in common, and its names
	// durable. What cannot be reached or written says so here.
	Prepare() error

	// Begin makes room for a checkpoint, and says where its state is to go. Room that
	// an earlier run of the job left behind is refused.
	Begin(id int64) (Target, error)

	// BeginSavepoint does the same for a savepoint, in a new directory below dir. The
	// name makes the directory unlike any other.
	BeginSavepoint(dir, name string) (Target, error)

	// Complete makes a checkpoint of what was written to the target. The attempt is
	// a name for temporary files that no other attempt uses.
	Complete(target Target, attempt string, checkpoint metadata.Checkpoint) (Completed, error)

	// Find returns the completed checkpoints of the job that are there.
	Find() ([]Completed, error)

	// Forget deletes the completed checkpoints of the job that are not among those kept: a
	// JobManager died, or was deposed, before it could note them, and nobody ever will.
	Forget(kept []Completed) error

	// Sweep deletes what lies among the job's checkpoints and none of those that are kept
	// refers to: what a process left that was killed. Nobody may be writing any more.
	Sweep(kept []Completed) error
}

// Completed is a checkpoint that can be restored from.
type Completed struct {
	Location   string // directory that holds `_metadata`; empty if only the JobManager has it
	Checkpoint metadata.Checkpoint
}

// NotAddressable is what Flink calls the location of a checkpoint that only the
// JobManager's memory holds.
const NotAddressable = "<checkpoint-not-externally-addressable>"

// Pointer is what a user would resume from.
func (c Completed) Pointer() string {
	if c.Location == "" {
		return NotAddressable
	}
	return c.Location
}

// Target says where the state of one checkpoint goes. It crosses the network.
type Target struct {
	Location  string // directory of the checkpoint; empty if there is none
	Exclusive string // directories by scope; empty: all state stays in memory
	Shared    string
	TaskOwned string
	Savepoint bool // all scopes are one, and it can be moved

	InlineMax   int64  // bytes of state that stay in memory; more goes to a file or, without directories, nowhere
	WriteBuffer int    // bytes collected before they are written
	MessageMax  int64  // bytes of a message to the JobManager
	Budget      int64  // bytes of all state that stays in memory; 0 for no limit
	EntropyKey  string // to be replaced in directories by EntropySize random characters
	EntropySize int
}

// jobDirectory is the directory of one job's checkpoints.
type jobDirectory struct {
	files filesystem.FileSystem
	name  string // {dir}/{job-id} or, flat, {dir}
	flat  bool
}

func newJobDirectory(files filesystem.FileSystem, dir, job string, flat bool) (jobDirectory, error) {
	root, err := ParseDir(dir)
	if err != nil {
		return jobDirectory{}, err
	}
	if !ValidJobID(job) {
		return jobDirectory{}, fmt.Errorf("job id: want 32 hexadecimal digits, got %q", job)
	}
	if flat {
		return jobDirectory{files: files, name: root, flat: true}, nil
	}
	return jobDirectory{files: files, name: filesystem.Join(root, job)}, nil
}

// begin makes the directory of a checkpoint.
func (d jobDirectory) begin(id int64) (location string, err error) {
	location = filesystem.Join(d.name, CheckpointName(id))
	if err := mustNotExist(d.files, location); err != nil {
		return "", fmt.Errorf("begin %s: %w", CheckpointName(id), err)
	}
	if err := d.files.MkdirAll(location); err != nil {
		return "", fmt.Errorf("begin %s: %w", CheckpointName(id), err)
	}
	return location, nil
}

// find reads the checkpoints that have `_metadata`.
func (d jobDirectory) find() ([]Completed, error) {
	ids, err := CheckpointIDs(d.files, d.name)
	if err != nil {
		return nil, filesystem.IgnoreNotExist(err)
	}
	var found []Completed
	for _, id := range ids {
		read, err := PointerTo(filesystem.Join(d.name, CheckpointName(id))).Read(d.files)
		if err != nil {
			return nil, err
		}
		found = append(found, read)
	}
	return found, nil
}

// forget deletes the completed checkpoints that are not kept. In a flat directory there
// is no telling whose one is, and all stay.
func (d jobDirectory) forget(kept []Completed) error {
	if d.flat {
		return nil
	}
	found, err := d.find()
	if err != nil {
		return err
	}
	for _, c := range found {
		if slices.ContainsFunc(kept, func(k Completed) bool { return k.Location == c.Location }) {
			continue
		}
		if err := Abandon(d.files, Target{Location: c.Location}); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes what no kept checkpoint refers to. In a flat directory there is no
// telling whose a file is, and all stays.
func (d jobDirectory) sweep(kept []Completed) error {
	if d.flat {
		return nil
	}
	used := map[string]bool{}
	for _, c := range kept {
		names, err := filesOf(c)
		if err != nil {
			return err
		}
		for _, name := range names {
			used[name] = true
		}
		used[filesystem.Join(c.Location, MetadataName)] = true
	}
	entries, err := d.files.List(d.name)
	if err != nil {
		return filesystem.IgnoreNotExist(err)
	}
	for _, entry := range entries {
		_, checkpoint := ParseCheckpointName(entry.Name)
		if !entry.Directory || (!checkpoint && entry.Name != SharedName) {
			continue // a seal, or nothing of ours
		}
		directory := filesystem.Join(d.name, entry.Name)
		if err := d.sweepState(directory, used, checkpoint); err != nil {
			return fmt.Errorf("sweep %s: %w", filesystem.URL(directory), err)
		}
	}
	return nil
}

// sweepState deletes the unused files of one directory and, if it is a checkpoint's and
// empty then, the directory. `_metadata` goes first, so that at no time a checkpoint is
// found whose files are gone.
func (d jobDirectory) sweepState(directory string, used map[string]bool, checkpoint bool) error {
	if checkpoint && !used[filesystem.Join(directory, MetadataName)] {
		if err := unpublish(d.files, directory); err != nil {
			return err
		}
	}
	entries, err := d.files.List(directory)
	if err != nil {
		return filesystem.IgnoreNotExist(err)
	}
	left := 0
	for _, entry := range entries {
		name := filesystem.Join(directory, entry.Name)
		if used[name] || entry.Directory {
			left++
			continue
		}
		if err := filesystem.IgnoreNotExist(d.files.Remove(name)); err != nil {
			return err
		}
	}
	if checkpoint && left == 0 {
		return filesystem.IgnoreNotExist(d.files.Remove(directory))
	}
	return nil
}

// mustNotExist refuses a directory of an earlier run with the same job id. Flink goes
// on, fails at the end, and deletes what the earlier run retained.
func mustNotExist(files filesystem.FileSystem, location string) error {
	_, err := files.Stat(location)
	if err == nil {
		return fmt.Errorf("%s exists; it belongs to an earlier run of the job", location)
	}
	return filesystem.IgnoreNotExist(err)
}

func beginSavepoint(files filesystem.FileSystem, dir, job, name string) (location string, err error) {
	root, err := ParseDir(dir)
	if err != nil {
		return "", fmt.Errorf("savepoint: %w", err)
	}
	location = filesystem.Join(root, fmt.Sprintf("savepoint-%.6s-%.12s", job, name))
	if err := mustNotExist(files, location); err != nil {
		return "", fmt.Errorf("savepoint: %w", err)
	}
	if err := filesystem.MkdirDurably(files, location); err != nil {
		return "", fmt.Errorf("savepoint: %w", err)
	}
	return location, nil
}
