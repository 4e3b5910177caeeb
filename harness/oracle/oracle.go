// Package oracle judges histories: it compares what happened with a model of what should have
// happened. The oracles are pure functions. They return findings that each name a requirement.
//
// An oracle looks only at the history. So a saved history can be judged again after an oracle
// was mended. The package also says when a run proves nothing.
//
// Start with [Judge].
package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/scenarios"
)

// Finding says that a requirement does not hold, with what was expected and what was found.
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
	Skip  Verdict = "skip"  // the target lacks a feature that the scenario needs
	Void  Verdict = "void"  // nothing was proven

	ExpectedFailure Verdict = "xfail" // it fails, as a list of expected failures says
	UnexpectedPass  Verdict = "xpass" // it does not fail, although a list of expected failures says so
)

// Verdicts lists all verdicts, the worst first.
func Verdicts() []Verdict {
	return []Verdict{Fail, Error, UnexpectedPass, Void, Skip, ExpectedFailure, Pass}
}

// Worst returns the worst of the given verdicts, or [Void] if no verdict is given. If a thing
// consists of parts with these verdicts, the result is the verdict on the whole thing.
func Worst(children []Verdict) Verdict {
	for _, verdict := range Verdicts() {
		if slices.Contains(children, verdict) {
			return verdict
		}
	}
	return Void
}

// Judgement is what the oracles say about a run.
type Judgement struct {
	Verdict  Verdict
	Void     string // why nothing was proven; empty if something was proven
	Findings []Finding
	// Requirements holds a verdict for each requirement that the scenario checks or that has
	// a finding.
	Requirements []RequirementVerdict
	Numbers      Numbers
}

// RequirementVerdict is the verdict on one requirement in one run.
type RequirementVerdict struct {
	ID      string  `json:"id"`
	Verdict Verdict `json:"verdict"`
}

// judging collects what the oracles find. An oracle examines a requirement at a point of the run
// where the engine could have broken it. A requirement that no oracle examined does not pass.
type judging struct {
	findings []Finding
	examined map[string]bool
	runs     []run
	open     map[string]string // why a requirement stays open, though an oracle examined it at some point
}

func (j *judging) examine(requirement string) { j.examined[requirement] = true }

// leaveOpen says that the run cannot show that the requirement holds, and why.
func (j *judging) leaveOpen(requirement, why string) { j.open[requirement] = why }

func (j *judging) find(f Finding) {
	j.examine(f.Requirement)
	if !slices.Contains(j.findings, f) { // several trees may show the same finding
		j.findings = append(j.findings, f)
	}
}

// oracle examines a history.
type oracle func(*history.History, *judging)

// ofJobs lists the oracles that look at what jobs did, and at what the harness asked for.
var ofJobs = []oracle{output, state, inputOrder, outputOrder, early, stopping, recovery, subtasks, restarts, resume, refusal, triggering, concurrency, pauses, intervals, steadiness, timeouts, tolerance, completions, asked, aborting, liveness}

// ofStorage lists the oracles that look at what was found on storage.
var ofStorage = []oracle{claim, dependence, ownership, savepoints, references, leaks, durability, retention, layout, metadata, parallelism, places, inline, siblings, held, keeping, permanence, fencing, surviving}

// Judge calls every oracle. A finding counts even if nothing else was proven in the run.
func Judge(h *history.History) Judgement {
	judge := &judging{examined: map[string]bool{}, open: map[string]string{}, runs: runs(h)}
	for _, ask := range ofJobs {
		ask(h, judge)
	}
	intact := undamaged(h)
	for _, ask := range ofStorage {
		ask(intact, judge)
	}
	nothing := void(h)
	j := Judgement{Verdict: Pass, Void: cmp.Or(nothing, unexamined(h, judge)), Findings: together(judge.findings), Numbers: count(h, judge.runs)}
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
		case nothing != "" || !judge.examined[id] || judge.open[id] != "":
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

// stages says in which order findings are told: a cause before its consequences. A checkpoint that
// cannot be restored, or the wrong checkpoint, leads to wrong state. Wrong state leads to wrong output,
// and all of this can keep a scenario from reaching its end. A requirement that is not in the list, such
// as one about files that stay, comes after the wrong output.
var stages = []string{
	"DUR-", "SHR-01", "SHR-04", "MET-", "RSC-", "JMS-", "FSS-", "LAY-02", "LAY-03", "TRG-", "MOD-", "CLN-11", "REC-16",
	"REC-01", "REC-04", "REC-05", "REC-12", "REC-10", "REC-03", "REC-15", "REC-02",
}

// stage returns the position of a finding in the list of stages.
func stage(f Finding) int {
	at := slices.IndexFunc(stages, func(begin string) bool { return strings.HasPrefix(f.Requirement, begin) })
	switch {
	case strings.HasPrefix(f.Requirement, "LIV-"):
		return len(stages) + 1
	case at < 0:
		return len(stages)
	}
	return at
}

// together makes one finding of all findings that differ only in what was found. Causes come before
// their consequences.
func together(findings []Finding) (all []Finding) {
	found := map[Finding][]string{}
	for _, f := range findings {
		same := f
		same.Found = ""
		if found[same] == nil {
			all = append(all, same)
		}
		found[same] = append(found[same], f.Found)
	}
	for i, f := range all {
		all[i].Found = name(found[f])
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(stage(a), stage(b)) })
	return all
}

// promised says whether a requirement must hold of the target. Some requirements must hold only of
// targets that make a promise, such as to leave no orphans, or to tell the evidence.
func promised(h *history.History, requirement string) bool {
	promise := promises()[requirement]
	return promise == "" || h.Promises(promise)
}

// promises returns, for each requirement that counts only for some targets, the promise that these
// targets make.
var promises = sync.OnceValue(func() map[string]history.Promise {
	all, err := scenarios.Requirements()
	if err != nil {
		panic(err) // the file is embedded in the program, and a test reads it
	}
	found := map[string]history.Promise{}
	for _, r := range all {
		if r.Promise != "" {
			found[r.ID] = history.Promise(r.Promise)
		}
	}
	return found
})

// unexamined says which requirements the run did not test, although the scenario claims to
// check them and the target must fulfil them.
func unexamined(h *history.History, judge *judging) string {
	var ids []string
	for _, id := range h.Header.Scenario.Requirements {
		switch why := judge.open[id]; {
		case !promised(h, id):
		case why != "":
			ids = append(ids, fmt.Sprintf("%s (%s)", id, why))
		case !judge.examined[id]:
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "this run did not test " + strings.Join(ids, ", ")
}

// undamaged returns the history without what was found on storage while files there were damaged by
// the scenario. The engine is not to blame for what was found then. The other events keep their
// numbers.
func undamaged(h *history.History) *history.History {
	intact := &history.History{Header: h.Header, Events: slices.Clone(h.Events)}
	damaged := map[string]bool{}
	for i, e := range h.Events {
		switch e.Kind {
		case history.Damage:
			if damaged[e.Path] = true; e.Label == string(scenarios.Restored) {
				delete(damaged, e.Path)
			}
		case history.Storage, history.Audit:
			if len(damaged) > 0 {
				intact.Events[i] = history.Event{Number: e.Number, AtMicros: e.AtMicros}
			}
		}
	}
	return intact
}

// void says why a run proves nothing: no checkpoint completed, or a fault did not do what the
// scenario wanted. It is empty if the run proves something.
func void(h *history.History) string {
	completed, lost := false, false
	for _, e := range h.Events {
		lost = lost || e.Label == history.AfterPowerLoss
		switch e.Kind {
		case history.Completed:
			completed = true
		case history.Missed:
			return e.Error
		case history.Fault:
			if why := voidFault(h, e); why != "" {
				return why
			}
		}
	}
	switch {
	case lost:
		return "" // a power loss at any moment proves something, even if the other faults have not fired yet
	case !completed && !abortsCount(h):
		return "no checkpoint completed"
	}
	return cmp.Or(unfired(h), noneInFlight(h))
}

// unfired names the faults of the scenario that did not fire. A fault that two steps name must fire
// twice.
func unfired(h *history.History) string {
	fired := map[string]int{}
	for _, e := range h.Events {
		if e.Kind == history.Fault {
			fired[e.Fault]++
		}
	}
	var wanted int
	var never []string
	for _, step := range h.Header.Scenario.Steps {
		fault := cmp.Or(step.Fault, step.Arm)
		if fault == nil {
			continue
		}
		wanted++
		if fired[fault.String()]--; fired[fault.String()] < 0 {
			never = append(never, fault.String())
		}
	}
	if len(never) == 0 {
		return ""
	}
	return fmt.Sprintf("only %d of %d faults fired: not %s", wanted-len(never), wanted, strings.Join(never, ", "))
}

// abortsCount says whether the scenario is about aborted checkpoints, and saw some. Such a run
// proves something even if no checkpoint completed.
func abortsCount(h *history.History) bool {
	wanted := slices.ContainsFunc(h.Header.Scenario.Steps, func(s scenarios.Step) bool { return s.Await != nil && s.Await.Aborted > 0 })
	return wanted && slices.ContainsFunc(h.Events, func(e history.Event) bool { return e.Kind == history.Aborted })
}

// unalignedArea is the part of the catalogue whose scenarios are about records in flight.
const unalignedArea = "unaligned/"

// noneInFlight says why a run of a scenario about records in flight proves nothing: no checkpoint
// holds such records.
func noneInFlight(h *history.History) string {
	read := 0
	for _, e := range h.Events {
		if e.Kind != history.InFlight {
			continue
		}
		if e.Size > 0 {
			return ""
		}
		read++
	}
	if !strings.HasPrefix(h.Header.Scenario.Name, unalignedArea) {
		return ""
	}
	return fmt.Sprintf("no checkpoint had records in flight (the _metadata of %s was read)", quantity(read, "checkpoint"))
}

// voidFault looks at a fault that must hit a checkpoint in progress. It returns the reason why the
// fault hit no checkpoint: no checkpoint had begun, or the checkpoint completed nevertheless. It
// returns the empty text if the fault hit a checkpoint.
func voidFault(h *history.History, fired history.Event) string {
	fault, err := faults.Parse(fired.Fault)
	if err != nil {
		return err.Error()
	}
	if fault.Moment.When == faults.Given {
		return afterCommit(h, fired, fault)
	}
	if fault.Moment.When != faults.DuringCheckpoint {
		return ""
	}
	id, checkpoint, ok := h.InProgress(fired.Number)
	if !ok {
		return fmt.Sprintf("no checkpoint was in progress when %s fired", fired.Fault)
	}
	// A checkpoint can outlive a broker: it completes when the broker answers again.
	if fault.Whom() != faults.Broker && slices.Contains(h.Completed(id, h.End()), checkpoint) {
		return fmt.Sprintf("checkpoint %d was in progress when %s fired, but it still completed", checkpoint, fired.Fault)
	}
	return ""
}
