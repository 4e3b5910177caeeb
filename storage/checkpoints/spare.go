package checkpoints

import (
	"fmt"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// spare marks the files of a checkpoint as unclaimed: the job never deletes them.
func (r *Registry) spare(c storage.Completed) error {
	names, err := filesOf(c)
	for _, name := range names {
		r.unclaimed[name] = true
	}
	return err
}

// spareSiblings spares the files that a claimed checkpoint shares with checkpoints that this job
// did not claim. It looks for such checkpoints in the directory of the run that took the claimed
// checkpoint. That run may refer to files of still earlier runs (mode LEGACY), so spareSiblings
// looks in their directories too. The list "own" contains the checkpoints that belong to this job.
// (Flink deletes such files, and then the other checkpoints cannot be restored.)
func (r *Registry) spareSiblings(claimed storage.Completed, own []storage.Completed) error {
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
		if err := r.spareJob(job, own); err != nil {
			return err
		}
	}
	return nil
}

// spareJob spares the files of all checkpoints in a job's directory, except the checkpoints in the
// list "own".
func (r *Registry) spareJob(job string, own []storage.Completed) error {
	ids, err := storage.CheckpointIDs(r.files, job)
	if err != nil {
		return filesystem.IgnoreNotExist(err)
	}
	for _, id := range ids {
		sibling := storage.PointerTo(filesystem.Join(job, storage.CheckpointName(id)))
		if slices.ContainsFunc(own, func(c storage.Completed) bool { return c.Location == sibling.Location }) {
			continue
		}
		read, err := sibling.Read(r.files)
		if err != nil {
			return fmt.Errorf("claim: %s: %w; so it is unknown which files that checkpoint uses", filesystem.URL(sibling.Location), err)
		}
		if err := r.spare(read); err != nil {
			return err
		}
	}
	return nil
}
