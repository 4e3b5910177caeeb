package fields

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

func not(seen func(Run) bool) func(Run) bool { return func(r Run) bool { return !seen(r) } }

// dir returns the checkpoint directory of a job, and the ids of the checkpoints in it. The newest
// comes first.
func (r Run) dir(job string) (dir string, ids []int64) {
	of, _ := r.Job(job)
	dir = filesystem.Join(r.Root, of.ID)
	ids, err := evidence.Checkpoints(r.Files, dir)
	if err != nil {
		return dir, nil // a job without checkpoints may have no directory
	}
	return dir, ids
}

// checkpoint reads the newest checkpoint of a job on storage.
func (r Run) checkpoint(job string) (metadata.Checkpoint, bool) {
	dir, ids := r.dir(job)
	if len(ids) == 0 {
		return metadata.Checkpoint{}, false
	}
	data, err := filesystem.ReadFile(r.Files, filesystem.Join(dir, evidence.CheckpointName(ids[0]), evidence.MetadataName), metadata.SizeMax)
	if err != nil {
		return metadata.Checkpoint{}, false
	}
	read, err := metadata.Decode(data)
	return read, err == nil
}

// retains says whether a number of checkpoints of a job are on storage at the end.
func retains(job string, number int) func(Run) bool {
	return func(r Run) bool {
		_, ids := r.dir(job)
		return len(ids) == number
	}
}

// operators says whether the newest checkpoint of a job has operators, and something holds for each
// of them.
func operators(job string, holds func(metadata.Operator) bool) func(Run) bool {
	return func(r Run) bool {
		read, ok := r.checkpoint(job)
		return ok && len(read.Operators) > 0 && !slices.ContainsFunc(read.Operators, func(o metadata.Operator) bool { return !holds(o) })
	}
}

// keyed says whether the newest checkpoint has keyed state of a kind.
func keyed[Handle metadata.KeyedHandle](r Run) bool {
	read, _ := r.checkpoint("first")
	for _, operator := range read.Operators {
		for _, subtask := range operator.Subtasks {
			if _, ok := subtask.ManagedKeyed.(Handle); ok {
				return true
			}
		}
	}
	return false
}

// inline says whether the newest checkpoint has a directory that holds nothing but its metadata.
func inline(r Run) bool {
	dir, ids := r.dir("first")
	if len(ids) == 0 {
		return false
	}
	entries, err := r.Files.List(filesystem.Join(dir, evidence.CheckpointName(ids[0])))
	return err == nil && len(entries) == 1
}

// inFlight says whether the newest checkpoint holds records that barriers overtook.
func inFlight(r Run) bool {
	dir, ids := r.dir("first")
	if len(ids) == 0 {
		return false
	}
	read, err := evidence.Read(r.Files, filesystem.Join(dir, evidence.CheckpointName(ids[0]), evidence.MetadataName))
	return err == nil && read.InFlightBytes > 0
}

// bytes returns the number of bytes below the checkpoint directory of a job, as the last record of
// storage found them.
func (r Run) bytes(job string) (sum int64) {
	of, _ := r.Job(job)
	for _, e := range slices.Backward(r.Events) {
		if e.Kind != history.Storage {
			continue
		}
		for _, entry := range e.Tree {
			if strings.HasPrefix(entry.Path, of.ID+"/") {
				sum += entry.Size
			}
		}
		break
	}
	return sum
}

// events returns the events of a kind.
func (r Run) events(kind history.Kind) []history.Event {
	return slices.DeleteFunc(slices.Clone(r.Events), func(e history.Event) bool { return e.Kind != kind })
}

// happened says whether there is an event of a kind.
func happened(kind history.Kind) func(Run) bool {
	return func(r Run) bool { return len(r.events(kind)) > 0 }
}

// statuses counts how often a job had a status.
func (r Run) statuses(job string, status storage.JobStatus) (times int) {
	of, _ := r.Job(job)
	for _, e := range r.events(history.Status) {
		if e.ID == of.ID && e.Status == status {
			times++
		}
	}
	return times
}

// after returns the events after the last fault.
func (r Run) after() []history.Event {
	for i, e := range slices.Backward(r.Events) {
		if e.Kind == history.Fault {
			return r.Events[i+1:]
		}
	}
	return nil
}

// later says whether the number of events of a kind after the last fault is in a range.
func later(kind history.Kind, least, most int) func(Run) bool {
	return func(r Run) bool {
		number := 0
		for _, e := range r.after() {
			if e.Kind == kind {
				number++
			}
		}
		return len(r.events(history.Fault)) > 0 && least <= number && number <= most
	}
}

const many = 1 << 30

// apart says whether at least the given time mostly passes from an event of one kind to the next event
// of another kind, and there are two such pairs. On a busy machine an event may be seen late.
func apart(from, to history.Kind, least time.Duration) func(Run) bool {
	return func(r Run) bool {
		var gaps []time.Duration
		begun := time.Duration(-1)
		for _, e := range r.Events {
			if e.Kind == to && begun >= 0 {
				gaps, begun = append(gaps, e.At()-begun), -1
			}
			if e.Kind == from {
				begun = e.At()
			}
		}
		slices.Sort(gaps)
		return len(gaps) >= 2 && gaps[len(gaps)/2] >= least
	}
}

// atOnce says whether two checkpoints are in progress at the same time.
func atOnce(r Run) bool {
	progress := 0
	for _, e := range r.Events {
		switch e.Kind {
		case history.Triggered:
			if progress++; progress > 1 {
				return true
			}
		case history.Completed, history.Aborted:
			progress--
		}
	}
	return false
}

// ran says whether the job needed at least the given time from its start to its end.
func ran(least time.Duration) func(Run) bool {
	return func(r Run) bool {
		began := time.Duration(-1)
		for _, e := range r.events(history.Status) {
			if e.Status == storage.Running && began < 0 {
				began = e.At()
			}
			if e.Status == storage.Finished {
				return began >= 0 && e.At()-began >= least
			}
		}
		return false
	}
}

// lines returns the lines of committed output, without the lines of state.
func (r Run) lines() (all [][]string) {
	for _, e := range r.events(history.Output) {
		for _, line := range e.Lines {
			if !strings.HasPrefix(line, workload.StatePrefix) {
				all = append(all, strings.Fields(line))
			}
		}
	}
	return all
}

// distinct counts the values in a column of the output.
func (r Run) distinct(column int) int {
	seen := map[string]bool{}
	for _, line := range r.lines() {
		seen[line[column]] = true
	}
	return len(seen)
}

// doubled says whether a record is in the output twice.
func doubled(r Run) bool {
	seen := map[string]bool{}
	for _, line := range r.lines() {
		id := line[0] + " " + line[1]
		if seen[id] {
			return true
		}
		seen[id] = true
	}
	return false
}

// configured says whether Flink answers with a text when it is asked about the checkpoints of the
// first job.
func configured(text string) func(Run) bool {
	return func(r Run) bool { return strings.Contains(r.Configured["first"], text) }
}

// resumedFrom says whether job second was restored from a checkpoint with the given id.
func resumedFrom(id int64) func(Run) bool {
	return func(r Run) bool { return r.restored() == id }
}

// restored returns the id of the checkpoint or savepoint from which job second was restored, or 0.
func (r Run) restored() int64 {
	second, _ := r.Job("second")
	for _, e := range r.events(history.Restored) {
		if e.ID == second.ID {
			return e.Checkpoint
		}
	}
	return 0
}

// failedWith says whether a checkpoint was aborted or a job failed, and the reason contains one of
// the texts.
func failedWith(texts ...string) func(Run) bool {
	return func(r Run) bool {
		return slices.ContainsFunc(r.Events, func(e history.Event) bool {
			return e.Error != "" && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(e.Error, text) })
		})
	}
}

// named says whether a file of the output has a name that matches a pattern.
func named(pattern string) func(Run) bool {
	return func(r Run) bool {
		return slices.ContainsFunc(r.events(history.Output), func(e history.Event) bool {
			matches, err := path.Match(pattern, path.Base(e.Path))
			return err == nil && matches
		})
	}
}

// containsText says whether a log contains a text.
func containsText(log, text string) bool { return strings.Contains(log, text) }

// logged says whether a process of the cluster logged a text.
func logged(text string) func(Run) bool {
	return func(r Run) bool {
		logs, err := filepath.Glob(filepath.Join(r.Dir, "*.log"))
		return err == nil && slices.ContainsFunc(logs, func(name string) bool {
			log, err := os.ReadFile(name)
			return err == nil && strings.Contains(string(log), text)
		})
	}
}

// with returns a text with another text in place of each old one.
func with(text, old, replacement string) string { return strings.ReplaceAll(text, old, replacement) }

// meanwhile says whether the number of events of a kind between the first fault and the next is in a
// range.
func meanwhile(kind history.Kind, least, most int) func(Run) bool {
	return func(r Run) bool {
		number, faults := 0, 0
		for _, e := range r.Events {
			switch {
			case e.Kind == history.Fault:
				faults++
			case e.Kind == kind && faults == 1:
				number++
			}
		}
		return faults == 2 && least <= number && number <= most
	}
}

// uneven says whether one subtask read less than half of the records that another read.
func uneven(r Run) bool {
	var sizes []int64
	for _, e := range r.events(history.Progress) {
		sizes = append(sizes, e.Size)
	}
	return len(sizes) > 1 && 2*slices.Min(sizes) < slices.Max(sizes)
}

// survives says whether a file whose path contains the given text is there after the power loss.
func survives(text string) func(Run) bool {
	return func(r Run) bool {
		for _, e := range r.events(history.Storage) {
			if e.Label == history.AfterPowerLoss {
				return slices.ContainsFunc(e.Tree, func(entry history.Entry) bool { return strings.Contains(entry.Path, text) })
			}
		}
		return false
	}
}

// took says whether a checkpoint completes at least the given time after it began.
func took(least time.Duration) func(Run) bool {
	return func(r Run) bool {
		begun := map[int64]time.Duration{}
		for _, e := range r.Events {
			if e.Kind == history.Triggered {
				begun[e.Checkpoint] = e.At()
			}
			if e.Kind == history.Completed && e.At()-begun[e.Checkpoint] >= least {
				return true
			}
		}
		return false
	}
}

// sized says whether a file of a number of bytes is in the directory of a checkpoint.
func sized(bytes int64) func(Run) bool {
	return func(r Run) bool {
		found := false
		of, _ := r.Job("first")
		err := filesystem.Walk(r.Files, filesystem.Join(r.Root, of.ID), func(_ string, entry filesystem.Entry) error {
			found = found || (!entry.Directory && entry.Size == bytes)
			return nil
		})
		return err == nil && found
	}
}

// struckAt returns the first fault.
func (r Run) struckAt() (fault history.Event, ok bool) {
	all := r.events(history.Fault)
	if len(all) == 0 {
		return history.Event{}, false
	}
	return all[0], true
}

// completedBefore says whether a number of checkpoints complete before the first fault.
func completedBefore(number int) func(Run) bool {
	return func(r Run) bool {
		fault, ok := r.struckAt()
		return ok && len(slices.DeleteFunc(r.events(history.Completed), func(e history.Event) bool { return e.Number > fault.Number })) >= number
	}
}

// phase says whether the first fault is at an operation of one of the phases.
func phase(names ...string) func(Run) bool {
	return func(r Run) bool {
		fault, ok := r.struckAt()
		return ok && slices.Contains(names, fault.Phase)
	}
}

// unacknowledged says whether the newest checkpoint on storage did not complete.
func unacknowledged(r Run) bool {
	_, ids := r.dir("first")
	return len(ids) > 0 && !slices.ContainsFunc(r.events(history.Completed), func(e history.Event) bool { return e.Checkpoint == ids[0] })
}

// reads says whether a source read from a split. The name of its progress file matches the pattern.
func reads(pattern string) func(Run) bool {
	return func(r Run) bool {
		return slices.ContainsFunc(r.events(history.Progress), func(e history.Event) bool {
			matches, err := path.Match(pattern, path.Base(e.Path))
			return err == nil && matches
		})
	}
}
