package storage

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// ClaimMode says who owns the checkpoint that a job is restored from. The names are
// Flink's.
type ClaimMode string

// The modes.
const (
	Claim   ClaimMode = "CLAIM"    // the job does, and deletes it when it is subsumed
	NoClaim ClaimMode = "NO_CLAIM" // whoever did before; the job never depends on it again
	Legacy  ClaimMode = "LEGACY"   // nobody deletes it, and the job may go on using its files
)

// ClaimModes lists the modes; the first is the default.
func ClaimModes() []ClaimMode { return []ClaimMode{NoClaim, Claim, Legacy} }

// ParseClaimMode reads the name of a mode.
func ParseClaimMode(name string) (ClaimMode, error) {
	if slices.Contains(ClaimModes(), ClaimMode(name)) {
		return ClaimMode(name), nil
	}
	return "", fmt.Errorf("claim mode: want one of %v, got %q", ClaimModes(), name)
}

// CompletedCheckpoints are those of one job that are kept, and the registry of the
// files they use: a file lives as long as a checkpoint refers to it, whatever
// directory it is in. It belongs to the job's coordinator alone.
type CompletedCheckpoints struct {
	files    filesystem.FileSystem
	retained int
	kept     []Completed // oldest first
	origin   *Completed  // restored from, and not ours to delete

	users     map[string]map[int64]bool // checkpoints that refer to a file, by its name
	unclaimed map[string]bool           // files that are not ours to delete
	garbage   []string                  // files that nobody refers to, still to be deleted
	emptied   []string                  // directories of discarded checkpoints, to be deleted once empty
}

// NewCompletedCheckpoints returns the store of a job that keeps the newest ones, as
// many as it is told.
func NewCompletedCheckpoints(files filesystem.FileSystem, retained int) *CompletedCheckpoints {
	return &CompletedCheckpoints{files: files, retained: retained, users: map[string]map[int64]bool{}, unclaimed: map[string]bool{}}
}

// Restore notes the checkpoint that the job is restored from.
func (s *CompletedCheckpoints) Restore(from Completed, mode ClaimMode) error {
	if mode == Claim {
		s.kept = append(s.kept, from)
		if err := s.leaveToSiblings(from, []Completed{from}); err != nil {
			return err
		}
		return s.register(from)
	}
	s.origin = &from
	return s.leave(from)
}

// Recover notes the checkpoints that another JobManager kept of the same job, oldest
// first. It comes after [CompletedCheckpoints.Restore], if the job was restored.
func (s *CompletedCheckpoints) Recover(kept []Completed) error {
	s.kept = slices.Clone(kept)
	for _, c := range kept {
		// One may have been claimed, and what it came from be gone since.
		if err := s.leaveToSiblings(c, kept); err != nil {
			return err
		}
		if err := s.register(c); err != nil {
			return err
		}
	}
	return nil
}

// Kept returns the checkpoints that are kept, oldest first.
func (s *CompletedCheckpoints) Kept() []Completed { return slices.Clone(s.kept) }

// leave notes that the files of a checkpoint are not ours to delete.
func (s *CompletedCheckpoints) leave(c Completed) error {
	names, err := filesOf(c)
	for _, name := range names {
		s.unclaimed[name] = true
	}
	return err
}

// leaveToSiblings leaves the files that other checkpoints refer to, which nobody has
// claimed: those of the earlier run and, if that did not own all its files either
// (LEGACY), those of the runs that do. Ours are to be claimed. (Flink deletes them, and the others cannot be
// restored from any more.)
func (s *CompletedCheckpoints) leaveToSiblings(claimed Completed, ours []Completed) error {
	jobs := []string{filesystem.Dir(claimed.Location)}
	names, err := filesOf(claimed)
	if err != nil {
		return err
	}
	for _, name := range names {
		if job := filesystem.Dir(filesystem.Dir(name)); !slices.Contains(jobs, job) {
			jobs = append(jobs, job)
		}
	}
	for _, job := range jobs {
		if err := s.leaveTo(job, ours); err != nil {
			return err
		}
	}
	return nil
}

// leaveTo leaves the files that the checkpoints in a job's directory refer to, but for
// ours.
func (s *CompletedCheckpoints) leaveTo(job string, ours []Completed) error {
	ids, err := CheckpointIDs(s.files, job)
	if err != nil {
		return filesystem.IgnoreNotExist(err)
	}
	for _, id := range ids {
		sibling := PointerTo(filesystem.Join(job, CheckpointName(id)))
		if slices.ContainsFunc(ours, func(c Completed) bool { return c.Location == sibling.Location }) {
			continue
		}
		read, err := sibling.Read(s.files)
		if err != nil {
			return fmt.Errorf("claim: %s: %w; what that one refers to nobody knows", filesystem.URL(sibling.Location), err)
		}
		if err := s.leave(read); err != nil {
			return err
		}
	}
	return nil
}

// Latest is the checkpoint to come back from, if there is one.
func (s *CompletedCheckpoints) Latest() (Completed, bool) {
	if len(s.kept) > 0 {
		return s.kept[len(s.kept)-1], true
	}
	if s.origin != nil {
		return *s.origin, true
	}
	return Completed{}, false
}

// Add keeps a checkpoint, and returns those that it subsumed: they are kept no longer,
// and to be discarded by the caller.
func (s *CompletedCheckpoints) Add(completed Completed) (subsumed []Completed, err error) {
	if err := s.register(completed); err != nil {
		return nil, err
	}
	s.kept = append(s.kept, completed)
	n := max(0, len(s.kept)-s.retained)
	subsumed = slices.Clone(s.kept[:n])
	s.kept = slices.Delete(s.kept, 0, n)
	return subsumed, nil
}

// ShutDown returns what is to be discarded when the job has ended in the given state.
// The others stay, and are nobody's from now on.
func (s *CompletedCheckpoints) ShutDown(ended JobStatus, retention Retention) (discarded []Completed) {
	if !retention.Keeps(ended) {
		discarded = s.kept
	}
	s.kept = nil
	return discarded
}

// register notes which files a checkpoint refers to.
func (s *CompletedCheckpoints) register(c Completed) error {
	names, err := filesOf(c)
	if err != nil {
		return err
	}
	for _, name := range names {
		if s.users[name] == nil {
			s.users[name] = map[int64]bool{}
		}
		s.users[name][c.Checkpoint.ID] = true
	}
	return nil
}

// filesOf lists the files that a checkpoint refers to, but not those that their tasks
// own.
func filesOf(c Completed) ([]string, error) {
	taskOwned := filesystem.Join(filesystem.Dir(c.Location), TaskOwnedName)
	var names []string
	for reference := range c.Checkpoint.References() {
		name, _, err := FileOf(c.Location, reference.Stream)
		if err != nil {
			return nil, err
		}
		if name != "" && filesystem.Dir(name) != taskOwned {
			names = append(names, name)
		}
	}
	return names, nil
}

// Discard deletes a checkpoint that is kept no longer, and the files that only it
// refers to. `_metadata` goes first, so that at no time a checkpoint is found whose
// files are gone. What fails is tried again with the next discard.
//
// (Flink deletes shared files first: a crash in between leaves an older checkpoint
// that has `_metadata` and cannot be restored from.)
func (s *CompletedCheckpoints) Discard(c Completed) error {
	if err := s.discard(c); err != nil {
		return fmt.Errorf("discard %s: %w", CheckpointName(c.Checkpoint.ID), err)
	}
	return nil
}

func (s *CompletedCheckpoints) discard(c Completed) error {
	if c.Location != "" {
		if err := unpublish(s.files, c.Location); err != nil {
			return err // and nothing else is touched
		}
		if !slices.Contains(s.emptied, c.Location) {
			s.emptied = append(s.emptied, c.Location)
		}
	}
	s.release(c.Checkpoint.ID)
	return s.sweep()
}

// Doomed lists what discarding checkpoints will delete, in that order: so it can be
// noted, and done by somebody else.
func (s *CompletedCheckpoints) Doomed(discarded []Completed) ([]string, error) {
	var doomed []string
	ids := map[int64]bool{}
	for _, c := range discarded {
		ids[c.Checkpoint.ID] = true
		if c.Location != "" {
			doomed = append(doomed, filesystem.Join(c.Location, MetadataName))
		}
	}
	for _, c := range discarded {
		names, err := filesOf(c)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			used := false
			for id := range s.users[name] { // whichever
				used = used || !ids[id]
			}
			if !used && !s.unclaimed[name] && !slices.Contains(doomed, name) {
				doomed = append(doomed, name)
			}
		}
	}
	for _, c := range discarded {
		if c.Location != "" {
			doomed = append(doomed, c.Location)
		}
	}
	return doomed, nil
}

// Finish deletes what somebody else had noted and may not have come to delete. A
// directory in which something is left stays.
func Finish(files filesystem.FileSystem, doomed []string) error {
	for _, name := range doomed {
		if held, err := files.List(name); err == nil && len(held) > 0 {
			continue
		}
		if err := filesystem.IgnoreNotExist(files.Remove(name)); err != nil {
			return fmt.Errorf("finish discarding: %w", err)
		}
	}
	return nil
}

// release gives up a checkpoint's claim to its files.
func (s *CompletedCheckpoints) release(id int64) {
	for _, name := range slices.Sorted(maps.Keys(s.users)) {
		users := s.users[name]
		if !users[id] {
			continue
		}
		delete(users, id)
		if len(users) == 0 {
			delete(s.users, name)
			// FLINK-26985: what an unclaimed checkpoint refers to is not ours.
			if !s.unclaimed[name] {
				s.garbage = append(s.garbage, name)
			}
		}
	}
}

// sweep deletes the files that nobody refers to, and the directories that held them.
func (s *CompletedCheckpoints) sweep() error {
	var failed error
	remove := func(name string) bool {
		err := filesystem.IgnoreNotExist(s.files.Remove(name))
		failed = errors.Join(failed, err)
		return err == nil
	}
	s.garbage = slices.DeleteFunc(s.garbage, remove)
	s.emptied = slices.DeleteFunc(s.emptied, func(location string) bool {
		held, err := s.files.List(location)
		if err == nil && len(held) > 0 {
			return false // files that are still in use
		}
		return remove(location)
	})
	return failed
}

// AbandonShared deletes the files that were acknowledged for a checkpoint that was
// given up, wherever they are. Those that a completed checkpoint refers to stay.
func (s *CompletedCheckpoints) AbandonShared(location string, written metadata.Checkpoint) error {
	names, err := filesOf(Completed{Location: location, Checkpoint: written})
	if err != nil {
		return err
	}
	for _, name := range names {
		// FLINK-25395: another checkpoint may have come to rely on it.
		if s.users[name] == nil && !s.unclaimed[name] && !slices.Contains(s.garbage, name) {
			s.garbage = append(s.garbage, name)
		}
	}
	return s.sweep()
}
