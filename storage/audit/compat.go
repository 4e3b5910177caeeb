package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// CompatSchema names the format of a [Compatibility].
const CompatSchema = "snapback/compat/1"

// Compatibility says whether Flink would restore a job from a checkpoint. The job is described by
// another checkpoint, which the job wrote. The answer depends only on the metadata of the two
// checkpoints.
type Compatibility struct {
	Schema    string    `json:"schema"`
	From      string    `json:"checkpoint"`
	Job       string    `json:"with"`
	Accepted  bool      `json:"accepted"`  // true if there are no refusals
	Refusals  []Refusal `json:"refusals"`  // reasons why Flink would refuse the checkpoint
	Operators []Matched `json:"operators"` // sorted by id
	Notes     []string  `json:"notes"`
}

// Refusal is a reason why Flink would not restore the job.
type Refusal struct {
	Operator string `json:"operator"` // the operator's uid, name or id
	Why      string `json:"why"`
	Unless   string `json:"unless"` // the flag or setting that would prevent the refusal
}

// Matched is an operator that the checkpoint has, the job has, or both have.
type Matched struct {
	Operator    string `json:"operator"`
	ID          string `json:"id"`
	Match       string `json:"match"`          // one of both, checkpoint only, and job only
	Bytes       int64  `json:"bytes"`          // size of the operator's state in the checkpoint, in bytes
	Parallelism string `json:"parallelism"`    // for example 2, or 2 → 3 if the job changes it
	MaxParallel string `json:"maxParallelism"` // for example 128, or 128 → 256 if the job changes it
	Backend     string `json:"backend"`        // backend of the operator's keyed state
}

// The values of the field Match.
const (
	inBoth       = "both"
	inCheckpoint = "checkpoint only"
	inJob        = "job only"
)

// Compat says whether Flink would restore a job from the checkpoint in the first parameter. The
// parameter "with" names a checkpoint that this job wrote.
func (a *Auditor) Compat(checkpoint, with string) (Compatibility, error) {
	_, from, err := a.read(checkpoint)
	if err != nil {
		return Compatibility{}, err
	}
	_, job, err := a.read(with)
	if err != nil {
		return Compatibility{}, err
	}
	c := Compatibility{
		Schema: CompatSchema, From: filesystem.URL(from.Location), Job: filesystem.URL(job.Location),
		Refusals: []Refusal{}, Operators: []Matched{}, Notes: []string{},
	}
	wanted := map[metadata.OperatorID]*metadata.Operator{}
	for i := range job.Checkpoint.Operators {
		wanted[job.Checkpoint.Operators[i].ID] = &job.Checkpoint.Operators[i]
	}
	for i := range from.Checkpoint.Operators {
		o := &from.Checkpoint.Operators[i]
		c.match(o, wanted[o.ID])
		delete(wanted, o.ID)
	}
	for _, o := range wanted {
		c.Operators = append(c.Operators, matched(inJob, o, nil))
	}
	if from.Checkpoint.Version > job.Checkpoint.Version {
		c.Refusals = append(c.Refusals, Refusal{
			Operator: "(all)", Why: fmt.Sprintf("Flink before %s cannot read its metadata (version %d), and the job ran on an older one (version %d)", from.Checkpoint.ReadableSince(), from.Checkpoint.Version, job.Checkpoint.Version),
			Unless: "the job runs on Flink " + from.Checkpoint.ReadableSince() + " or later",
		})
	}
	slices.SortFunc(c.Operators, func(a, b Matched) int { return strings.Compare(a.ID, b.ID) })
	slices.SortStableFunc(c.Refusals, func(a, b Refusal) int { return cmp.Compare(a.Operator, b.Operator) })
	c.note(&from.Checkpoint)
	c.Accepted = len(c.Refusals) == 0
	return c, nil
}

// nameOf returns a text that names an operator: the uid; if there is no uid, the name and the id;
// if there is no name either, the id.
func nameOf(o *metadata.Operator) string {
	if o.UID == "" && o.Name != "" {
		return o.Name + " (" + o.ID.String() + ")"
	}
	return o.Label()
}

// match compares an operator of the checkpoint with the same operator of the job. The parameter
// "to" is nil if the job has no such operator.
func (c *Compatibility) match(from, to *metadata.Operator) {
	if to == nil {
		c.Operators = append(c.Operators, matched(inCheckpoint, from, nil))
		if operatorSize(from) > 0 {
			c.refuse(from, "the job has no such operator, but the checkpoint has state of it", "--allowNonRestoredState is set (Flink drops the state), or an operator of the job gets this uid")
		}
		return
	}
	c.Operators = append(c.Operators, matched(inBoth, from, to))
	if from.MaxParallelism != to.MaxParallelism {
		c.refuse(from, fmt.Sprintf("its maximum parallelism is %d in the checkpoint and %d in the job", from.MaxParallelism, to.MaxParallelism),
			fmt.Sprintf("the job does not set it (Flink then uses the checkpoint's), or sets it to %d", from.MaxParallelism))
	}
	if to.Parallelism > from.MaxParallelism {
		c.refuse(from, fmt.Sprintf("the job's parallelism is %d, but the checkpoint has only %d key groups", to.Parallelism, from.MaxParallelism),
			fmt.Sprintf("-p %d or less", from.MaxParallelism))
	}
	c.compareBackends(from, to)
	if hasChannels(from) && from.Parallelism != to.Parallelism {
		c.addNote("the checkpoint has records in flight, and the parallelism of some operator changes: Flink redistributes these records, but not on pointwise exchanges; a savepoint or an aligned checkpoint has no such records")
	}
	if from.FullyFinished && !to.FullyFinished {
		c.addNote(fmt.Sprintf("operator %s has finished in the checkpoint, and will not run again", nameOf(from)))
	}
}

// compareBackends adds a refusal if different backends wrote the native keyed state of the two
// operators.
func (c *Compatibility) compareBackends(from, to *metadata.Operator) {
	has, wants := backendOf(*from), backendOf(*to)
	if has == "" || wants == "" || has == wants || has == backendCanonical || wants == backendCanonical {
		return
	}
	if strings.HasPrefix(wants, changelogOver) != strings.HasPrefix(has, changelogOver) {
		has, wants = strings.TrimPrefix(has, changelogOver), strings.TrimPrefix(wants, changelogOver)
		if has == wants {
			c.addNote("the changelog is enabled only in the checkpoint, or only in the job: Flink accepts both")
			return
		}
	}
	c.refuse(from, fmt.Sprintf("its keyed state was written by %s, but the job uses %s", has, wants),
		"the job uses the backend of the checkpoint (state.backend.type), or a canonical savepoint is taken in between")
}

func hasChannels(o *metadata.Operator) bool {
	return slices.ContainsFunc(o.Subtasks, func(s metadata.Subtask) bool { return len(s.Inputs)+len(s.Outputs) > 0 })
}

func (c *Compatibility) refuse(o *metadata.Operator, why, unless string) {
	c.Refusals = append(c.Refusals, Refusal{Operator: nameOf(o), Why: why, Unless: unless})
}

func (c *Compatibility) addNote(text string) {
	if !slices.Contains(c.Notes, text) {
		c.Notes = append(c.Notes, text)
	}
}

// note adds notes that are no reason to refuse the checkpoint: which operators start without state,
// which Flink releases can read the metadata, and what was not checked.
func (c *Compatibility) note(from *metadata.Checkpoint) {
	fresh := 0
	for _, o := range c.Operators {
		if o.Match == inJob {
			fresh++
		}
	}
	if fresh > 0 {
		c.addNote(fmt.Sprintf("%d operators of the job are not in the checkpoint: they start without state", fresh))
	}
	c.addNote("Flink " + from.ReadableSince() + " to " + readableTo + " can read the metadata")
	c.addNote("it was not checked whether the files exist: see snapback verify")
	c.addNote("the metadata records neither types of state nor serializers: only a restore shows whether they fit")
}

func matched(match string, o, other *metadata.Operator) Matched {
	m := Matched{
		Operator: nameOf(o), ID: o.ID.String(), Match: match, Bytes: operatorSize(o), Backend: backendOf(*o),
		Parallelism: fmt.Sprint(o.Parallelism), MaxParallel: fmt.Sprint(o.MaxParallelism),
	}
	if match == inJob {
		m.Bytes = 0
	}
	if other != nil && other.Parallelism != o.Parallelism {
		m.Parallelism = fmt.Sprintf("%d → %d", o.Parallelism, other.Parallelism)
	}
	if other != nil && other.MaxParallelism != o.MaxParallelism {
		m.MaxParallel = fmt.Sprintf("%d → %d", o.MaxParallelism, other.MaxParallelism)
	}
	return m
}
