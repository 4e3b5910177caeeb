package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// quietCheckpoints is the number of checkpoints that a job must complete, without reading anything
// and without a restart, before it counts as having read its whole input.
const quietCheckpoints = 3

// finish waits until a job has read its whole input. A bounded Kafka source may not finish after a
// resume (FLINK-31006), so finish drains such a job. Then its output can be judged like that of a job
// that finished by itself.
func (r *Session) finish(ctx context.Context, name string) error {
	job, _ := r.history.Job(name)
	what := fmt.Sprintf("job %s to read its whole input", name)
	reading := reader{job: job, read: -1, next: r.history.End()}
	var failed error
	since := r.cluster.Now()
	err := r.Until(ctx, what, func() bool {
		failed = r.follow(&reading)
		return failed != nil || r.over(job) || (reading.quiet >= quietCheckpoints && r.status(job) == storage.Running)
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	switch {
	case r.status(job) == storage.Finished:
		return nil
	case r.over(job), reading.read < int64(r.scenario.Workload.Total()):
		return r.giveUp(what, job, since)
	}
	r.record(history.Event{Kind: history.ReadAll, Job: name})
	if err := r.savepoint(ctx, scenarios.TakeSavepoint{Job: name, Stop: scenarios.Drain}); err != nil {
		return err
	}
	return r.awaitStatus(ctx, job, storage.Finished)
}

// reader is what finish has seen of a job.
type reader struct {
	job   history.Job
	next  int   // number of the event at which to go on
	read  int64 // number of records that the job had read when it completed its last checkpoint
	quiet int   // number of checkpoints that it has completed since then, without a restart
}

// follow looks at the events that happened meanwhile.
func (r *Session) follow(reading *reader) error {
	for ; reading.next < r.history.End(); reading.next++ {
		e := r.history.Events[reading.next-1]
		switch {
		case e.ID != reading.job.ID:
		case e.Kind == history.Status:
			reading.quiet = 0
		case e.Kind == history.Completed:
			read, err := r.readBy(reading.job)
			if err != nil {
				return err
			}
			if reading.quiet++; read != reading.read {
				reading.quiet, reading.read = 0, read
			}
		}
	}
	return nil
}

// readBy returns the number of records that a job and the jobs before it have read. A record that
// was read twice counts twice.
func (r *Session) readBy(job history.Job) (records int64, err error) {
	for _, member := range r.history.Lineage(job) {
		progress, err := evidence.Sizes(r.cluster.Files(), filesystem.Join(r.dir(member.Name), workload.ProgressName))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		for _, file := range progress {
			records += file.Size
		}
	}
	return records, nil
}
