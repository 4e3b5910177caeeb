// Package oracle judges histories: pure functions from what happened, and a model
// of what should have, to findings that each name a requirement.
//
// An oracle looks at nothing but the history, so a saved one can be judged again
// after an oracle was mended. It also says when a run proves nothing.
//
// Start with [Judge].
package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
)

// Finding is a requirement that does not hold, and how that shows.
type Finding struct {
	Requirement string `json:"requirement"`
	Problem     string `json:"problem"` // a sentence
	Expected    string `json:"expected"`
	Found       string `json:"found"`
}

// Verdict is the outcome of a scenario or of a requirement.
type Verdict string

// The verdicts.
const (
	Pass  Verdict = "pass"
	Fail  Verdict = "fail"
	Error Verdict = "error" // the harness or the machine is at fault
	Skip  Verdict = "skip"  // the target does not claim what it takes
	Void  Verdict = "void"  // nothing was proven
)

// Worst returns the verdict of a parent with the given children.
func Worst(children []Verdict) Verdict {
	for _, verdict := range []Verdict{Fail, Error, Void, Skip} {
		if slices.Contains(children, verdict) {
			return verdict
		}
	}
	if len(children) == 0 {
		return Void
	}
	return Pass
}

// Judgement is what the oracles make of a run.
type Judgement struct {
	Verdict  Verdict
	Void     string // why nothing was proven
	Findings []Finding
	// Requirements holds a verdict for each requirement of the scenario, and for
	// each that has a finding.
	Requirements []RequirementVerdict
	Numbers      Numbers
}

// RequirementVerdict is the verdict on one requirement in one run.
type RequirementVerdict struct {
	ID      string  `json:"id"`
	Verdict Verdict `json:"verdict"`
}

// judging collects what the oracles find. A requirement holds only if it was examined: the run
// came to a point where an engine could have broken it.
type judging struct {
	findings []Finding
	examined map[string]bool
}

func (j *judging) examine(requirement string) { j.examined[requirement] = true }

func (j *judging) find(f Finding) {
	j.examine(f.Requirement)
	if !slices.Contains(j.findings, f) { // one tree after the other may show the same
		j.findings = append(j.findings, f)
	}
}

// oracles are all that are asked.
var oracles = []func(*history.History, *judging){
	output, state, recovery, resume, refusal, claim, dependence, ownership, savepoints, references, leaks, durability, retention, layout, triggering,
	concurrency, aborting, liveness,
}

// Judge asks every oracle. A finding counts even where the run is void: a
// violation is one whatever brought it about.
func Judge(h *history.History) Judgement {
	judge := &judging{examined: map[string]bool{}}
	for _, ask := range oracles {
		ask(h, judge)
	}
	nothing := void(h)
	j := Judgement{Verdict: Pass, Void: cmp.Or(nothing, unexamined(h, judge)), Findings: judge.findings, Numbers: count(h)}
	ids := slices.Clone(h.Header.Scenario.Requirements)
	for _, f := range j.Findings {
		if !slices.Contains(ids, f.Requirement) {
			ids = append(ids, f.Requirement)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		verdict := Pass
		switch {
		case slices.ContainsFunc(j.Findings, func(f Finding) bool { return f.Requirement == id }):
			verdict = Fail
		case !promised(h, id):
			verdict = Skip
		case nothing != "" || !judge.examined[id]:
			verdict = Void
		}
		j.Requirements = append(j.Requirements, RequirementVerdict{id, verdict})
	}
	switch {
	case len(j.Findings) > 0:
		j.Verdict = Fail
	case j.Void != "":
		j.Verdict = Void
	}
	return j
}

// promised says whether a requirement must hold of the target: SHR-02 and SHR-03 only of
// those who promise it.
func promised(h *history.History, requirement string) bool {
	return (requirement != "SHR-02" && requirement != "SHR-03") || h.Promises(history.NoOrphans)
}

// unexamined names the requirements that the scenario claims to check, that must hold of
// the target, and that nothing in the run put to the test.
func unexamined(h *history.History, judge *judging) string {
	var ids []string
	for _, id := range h.Header.Scenario.Requirements {
		if !judge.examined[id] && promised(h, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "nothing in this run put to the test: " + strings.Join(ids, ", ")
}

// void says why a run proves nothing, if it does not: no checkpoint was ever
// seen, or a fault did not do what the scenario wanted of it.
func void(h *history.History) string {
	var wanted, fired int
	for _, step := range h.Header.Scenario.Steps {
		if step.Fault != nil || step.Arm != nil {
			wanted++
		}
	}
	completed, lost := false, false
	for _, e := range h.Events {
		lost = lost || e.Label == history.AfterPowerLoss
		switch e.Kind {
		case history.Completed:
			completed = true
		case history.Missed:
			return e.Error
		case history.Fault:
			fired++
			if why := voidFault(h, e); why != "" {
				return why
			}
		}
	}
	switch {
	case lost:
		return "" // at whatever moment: it proves something, and other faults need not have come yet
	case !completed:
		return "no checkpoint was ever seen to complete"
	case fired < wanted:
		return fmt.Sprintf("%d of %d faults fired", fired, wanted)
	}
	return ""
}

// voidFault proves, from the history, that a fault that was to hit a checkpoint in
// progress did: the checkpoint had begun and never completed.
func voidFault(h *history.History, fired history.Event) string {
	fault, err := faults.Parse(fired.Fault)
	if err != nil {
		return err.Error()
	}
	if fault.Moment.When != faults.DuringCheckpoint {
		return ""
	}
	id, checkpoint, ok := h.InProgress(fired.Number)
	if !ok {
		return fmt.Sprintf("no checkpoint was in progress when %s was killed", fired.Process)
	}
	if slices.Contains(h.Completed(id, h.End()), checkpoint) {
		return fmt.Sprintf("checkpoint %d, in progress when %s was killed, completed all the same", checkpoint, fired.Process)
	}
	return ""
}
