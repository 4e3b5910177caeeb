package reference

import (
	"errors"
	"fmt"

	"github.com/snapback/snapback/reference/coordinator"
	"github.com/snapback/snapback/reference/highavailability"
	"github.com/snapback/snapback/storage"
)

// localJournal is the coordinator.Journal of a job without a highly available store. Nothing of
// such a job outlives its JobManager, so the journal only counts checkpoint ids.
type localJournal struct{ last int64 }

func (j *localJournal) NextID() (int64, error) {
	j.last++
	return j.last, nil
}

func (*localJournal) Leads() error { return nil }

func (*localJournal) Keep([]storage.Completed, []string) error { return nil }

// accept validates the job and finds the checkpoint from which it resumes. Only after that does it
// record the job and create its directories. It returns the checkpoint from which a new job
// resumes, or nil.
func (m *master) accept() (*storage.Completed, error) {
	if err := m.job.Validate(); err != nil {
		return nil, err
	}
	m.groups = m.job.KeyGroups()
	local := &localJournal{}
	var journal coordinator.Journal = local
	var noted highavailability.Checkpoints
	if m.leadership != nil {
		noted = highavailability.Checkpoints{Leadership: *m.leadership, JobID: m.job.ID}
		journal = noted
	}
	kept, took, err := m.takeOver(noted)
	if err != nil {
		return nil, err
	}
	origin, err := m.origin(took)
	if err != nil {
		return nil, err
	}
	if len(kept) > 0 {
		m.groups = int(kept[0].Checkpoint.Operators[0].MaxParallelism)
	}
	if origin != nil {
		local.last = origin.Checkpoint.ID // the ids of the job's checkpoints continue after the id of the origin
	}
	if m.coordinator, err = coordinator.New(m.env, m.job, m.groups, m.cluster, journal, origin); err != nil {
		return nil, err
	}
	if took {
		return nil, m.coordinator.Recover(kept)
	}
	if err := m.begin(noted, origin); err != nil {
		return nil, err
	}
	return origin, nil
}

// takeOver returns the job's checkpoints that an earlier leader kept, oldest first. The result
// `took` is false if no earlier leader recorded the job's checkpoints.
func (m *master) takeOver(noted highavailability.Checkpoints) (kept []storage.Completed, took bool, err error) {
	switch {
	case m.ended != nil:
		kept, err = noted.Left(m.env.Files())
		return kept, true, err
	case m.recovered():
		return noted.Kept(m.env.Files())
	}
	return nil, false, nil
}

// begin records a new job and creates its directories.
func (m *master) begin(noted highavailability.Checkpoints, origin *storage.Completed) error {
	if m.leadership == nil {
		return m.coordinator.Prepare()
	}
	if !m.recovered() {
		// A crash after this leaves a job that the next leader accepts.
		if err := m.leadership.AddJob(m.job); err != nil {
			return fmt.Errorf("%w: %w", errDeposed, err)
		}
	}
	if origin != nil {
		if err := noted.Start(origin.Checkpoint.ID); err != nil {
			return fmt.Errorf("%w: %w", errDeposed, err)
		}
	}
	err := m.coordinator.Prepare()
	if err != nil && !m.recovered() {
		return errors.Join(err, m.leadership.RemoveJob(m.job.ID))
	}
	return err
}

// origin finds the checkpoint that the user named for the job to resume from. The parameter took
// says that this leader found checkpoints of the job itself, left by an earlier leader. Then the
// job continues from these, and the named checkpoint may be missing: its owner may have deleted it
// meanwhile.
func (m *master) origin(took bool) (*storage.Completed, error) {
	if m.job.Restore.Path == "" {
		return nil, nil
	}
	found, err := storage.Resolve(m.env.Files(), m.job.Restore.Path)
	if err != nil {
		if took {
			return nil, nil
		}
		return nil, err
	}
	if m.groups, err = coordinator.Compatible(m.job, found.Checkpoint); err != nil {
		return nil, fmt.Errorf("resume from %s: %w", m.job.Restore.Path, err)
	}
	return &found, nil
}
