package oracle

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness/evidence"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/configuration"
)

// description is what the `_metadata` of a checkpoint or savepoint says, and whose it is.
type description struct {
	history.Described
	name      string // such as chk-7 of job first
	job       history.Job
	id        int64 // that the checkpoint or savepoint must have
	savepoint bool
}

// descriptions returns what the checkpoints and savepoints of the scenario's jobs say, each once.
func descriptions(h *history.History) (all []description) {
	seen := map[string]bool{}
	for _, e := range h.Events {
		if e.Kind != history.Audit {
			continue
		}
		for _, d := range e.Described {
			if found, known := described(h, d); known && !seen[d.Path] {
				seen[d.Path] = true
				all = append(all, found)
			}
		}
	}
	return all
}

// described finds out to which job a checkpoint or savepoint belongs.
func described(h *history.History, d history.Described) (description, bool) {
	for _, j := range accepted(h) {
		if id, is := evidence.CheckpointID(path.Base(d.Path)); is && path.Dir(d.Path) == j.ID {
			return description{d, fmt.Sprintf("%s of job %s", path.Base(d.Path), j.Name), j, id, false}, true
		}
		for _, e := range h.Events {
			if e.Kind == history.Savepointed && e.ID == j.ID && path.Base(e.Path) == path.Base(d.Path) {
				return description{d, fmt.Sprintf("%s of job %s", path.Base(d.Path), j.Name), j, e.Checkpoint, true}, true
			}
		}
	}
	return description{}, false
}

// metadata checks MET-01 to MET-03: `_metadata` has the id of its checkpoint, the right sizes of the
// files, and each subtask of an operator at most once.
func metadata(h *history.History, judge *judging) {
	for _, d := range descriptions(h) {
		judge.examine("MET-01")
		if d.ID != d.id {
			judge.find(Finding{
				Requirement: "MET-01", Problem: fmt.Sprintf("the _metadata of %s has another id", d.name),
				Expected: fmt.Sprintf("id %d", d.id), Found: fmt.Sprintf("id %d", d.ID),
			})
		}
		for _, file := range d.Files {
			if file.Part || file.Size < 0 || file.Found < 0 {
				continue
			}
			judge.examine("MET-02")
			if file.Size != file.Found {
				judge.find(Finding{
					Requirement: "MET-02", Problem: fmt.Sprintf("the _metadata of %s has a wrong size of a file", d.name),
					Expected: "the sizes of the files", Found: fmt.Sprintf("%d bytes for %s, which has %d", file.Size, file.Path, file.Found),
				})
			}
		}
		for _, operator := range d.Operators {
			seen := map[int32]bool{}
			for _, subtask := range operator.Subtasks {
				judge.examine("MET-03")
				if seen[subtask.Index] || subtask.Index >= operator.Parallelism {
					judge.find(Finding{
						Requirement: "MET-03", Problem: fmt.Sprintf("%s has a subtask that its operator %s cannot have", d.name, operator.ID),
						Expected: fmt.Sprintf("each of the subtasks 0 to %d at most once", operator.Parallelism-1), Found: fmt.Sprintf("subtask %d", subtask.Index),
					})
				}
				seen[subtask.Index] = true
			}
		}
	}
}

// scheduler is a key of Flink's configuration. Schedulers other than the default one may run a job
// with another parallelism than the configured one.
const scheduler = "jobmanager.scheduler"

// parallelism checks RSC-01 to RSC-05: the maximum parallelism, the parallelism and the key groups in
// a checkpoint.
func parallelism(h *history.History, judge *judging) {
	all := descriptions(h)
	for _, d := range all {
		for _, operator := range d.Operators {
			if h.Header.Scenario.Cluster.Settings[scheduler] == "" {
				degrees(h, d, operator, all, judge)
			}
			keyGroups(d, operator, judge)
		}
	}
}

// wrongIn reports that a number of an operator is wrong.
func (j *judging) wrongIn(d description, operator history.Operator, requirement, what string, want, got any) {
	j.find(Finding{
		Requirement: requirement, Problem: fmt.Sprintf("%s has a wrong %s", d.name, what),
		Expected: fmt.Sprint(want), Found: fmt.Sprintf("%v for operator %s", got, operator.ID),
	})
}

// degrees checks the parallelism and the maximum parallelism of an operator.
func degrees(h *history.History, d description, operator history.Operator, all []description, judge *judging) {
	config := configurationOf(h, d.job)
	judge.examine("RSC-05")
	if int(operator.Parallelism) != config.Parallelism {
		judge.wrongIn(d, operator, "RSC-05", "parallelism", config.Parallelism, operator.Parallelism)
	}
	origin := slices.IndexFunc(all, func(o description) bool {
		return d.job.Path != "" && path.Base(o.Path) == path.Base(d.job.Path) && o.job.Name == d.job.From
	})
	requirement, want := groupsWanted(config, d.job, operator, origin, all)
	if requirement == "" {
		return
	}
	judge.examine(requirement)
	if operator.ParallelismMax != want {
		judge.wrongIn(d, operator, requirement, "maximum parallelism", want, operator.ParallelismMax)
	}
}

// keyGroups checks RSC-04: each subtask has its share of the key groups.
func keyGroups(d description, operator history.Operator, judge *judging) {
	for _, subtask := range operator.Subtasks {
		if subtask.Groups == nil || operator.Parallelism < 1 {
			continue
		}
		judge.examine("RSC-04")
		if want := share(subtask.Index, operator); *subtask.Groups != want {
			found := fmt.Sprintf("%s in place of %s for subtask %d", rangeOf(*subtask.Groups), rangeOf(want), subtask.Index)
			judge.wrongIn(d, operator, "RSC-04", "range of key groups", "Flink's share for each subtask", found)
		}
	}
}

// groupsWanted returns the maximum parallelism that an operator must have, and the requirement that
// says so. The requirement is empty if the history does not show what it must be. The parameter
// origin is the index of the checkpoint from which the job was resumed; it is negative if that
// checkpoint is unknown.
func groupsWanted(config scenarios.Job, j history.Job, operator history.Operator, origin int, all []description) (requirement string, want int32) {
	switch {
	case config.ParallelismMax > 0:
		return "RSC-01", int32(config.ParallelismMax)
	case j.Path == "":
		return "RSC-02", defaultGroups(operator.Parallelism)
	case origin >= 0:
		for _, before := range all[origin].Operators {
			if before.ID == operator.ID {
				return "RSC-03", before.ParallelismMax
			}
		}
	}
	return "", 0
}

// defaultGroups is Flink's rule: one and a half times the parallelism, rounded up to a power of two,
// but at least 128.
func defaultGroups(parallelism int32) int32 {
	groups := int32(128)
	for groups < parallelism+parallelism/2 && groups < 1<<15 {
		groups *= 2
	}
	return groups
}

// share is Flink's rule for the key groups of a subtask.
func share(index int32, operator history.Operator) history.KeyGroups {
	groups, subtasks := int64(operator.ParallelismMax), int64(operator.Parallelism)
	first := (int64(index)*groups + subtasks - 1) / subtasks
	last := ((int64(index)+1)*groups - 1) / subtasks
	return history.KeyGroups{First: int32(first), Number: int32(last - first + 1)}
}

func rangeOf(k history.KeyGroups) string {
	return fmt.Sprintf("%d to %d", k.First, k.First+k.Number-1)
}

// places checks LAY-02 to LAY-04: where the files lie to which checkpoints and savepoints refer, and
// where savepoints lie.
func places(h *history.History, judge *judging) {
	for _, d := range descriptions(h) {
		find := func(requirement, what, expected, found string) {
			judge.find(Finding{Requirement: requirement, Problem: fmt.Sprintf("%s %s", d.name, what), Expected: expected, Found: found})
		}
		if d.savepoint {
			judge.examine("LAY-04")
			if prefix := "savepoint-" + d.job.ID[:6] + "-"; !strings.HasPrefix(path.Base(d.Path), prefix) {
				find("LAY-04", "has a directory with a wrong name", prefix+"…", path.Base(d.Path))
			}
		}
		for _, file := range d.Files {
			_, exclusive := evidence.CheckpointID(path.Base(path.Dir(file.Path)))
			switch {
			case d.savepoint:
				judge.examine("LAY-03")
				if !strings.HasPrefix(file.Path, d.Path+"/") {
					find("LAY-03", "does not hold all of its files", "files in "+d.Path, file.Path)
				}
			default:
				judge.examine("LAY-02")
				if exclusive && !strings.HasPrefix(file.Path, d.Path+"/") {
					find("LAY-02", "refers to a file that belongs to another checkpoint alone", "files in "+path.Base(d.Path)+", shared and taskowned", file.Path)
				}
			}
		}
	}
}

// setting returns what a scenario sets for an option, or the empty text.
func setting(h *history.History, j history.Job, option configuration.Option) (value string) {
	for _, key := range option.Keys() {
		value = cmp.Or(value, configurationOf(h, j).Settings[key], h.Header.Scenario.Cluster.Settings[key])
	}
	return value
}

// onJobManager says whether checkpoints lie in the memory of the JobManager.
func onJobManager(h *history.History, j history.Job) bool {
	return strings.EqualFold(setting(h, j, configuration.Storage), "jobmanager") || h.Header.Target.Storage == "jobmanager"
}

// inline checks JMS-01: a checkpoint in the memory of the JobManager has no file but its `_metadata`.
// It also checks FSS-01: state up to the configured size is in `_metadata`, and larger state in a
// file.
func inline(h *history.History, judge *judging) {
	for _, d := range descriptions(h) {
		find := func(requirement, what, expected, found string) {
			judge.find(Finding{Requirement: requirement, Problem: fmt.Sprintf("%s %s", d.name, what), Expected: expected, Found: found})
		}
		if onJobManager(h, d.job) {
			judge.examine("JMS-01")
			for _, file := range d.Files {
				find("JMS-01", "refers to a file, although its state must be in _metadata", "no file", file.Path)
			}
			continue
		}
		text := setting(h, d.job, configuration.InlineMax)
		limit, err := configuration.Configuration{configuration.InlineMax.Key: text}.Bytes(configuration.InlineMax)
		if text == "" || err != nil {
			continue
		}
		judge.examine("FSS-01")
		if d.InlineMax > limit {
			find("FSS-01", "holds state that must be in a file", fmt.Sprintf("at most %d bytes in _metadata", limit), fmt.Sprintf("%d bytes", d.InlineMax))
		}
		for _, file := range d.Files {
			if !file.Part && file.Size >= 0 && file.Size <= limit {
				find("FSS-01", "has a file with state that must be in _metadata", fmt.Sprintf("files of more than %d bytes", limit), fmt.Sprintf("%s with %d", file.Path, file.Size))
			}
		}
	}
}
