package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
)

var scenarioName = regexp.MustCompile(`^[a-z0-9-]+(/[a-z0-9-]+)*(/[a-z]+=[A-Za-z0-9_]+)*$`)

// Validate returns the first mistake in the scenario.
func (s Scenario) Validate() error {
	switch {
	case !scenarioName.MatchString(s.Name):
		return fmt.Errorf("name: want words of a-z, 0-9 and - with / between, got %q", s.Name)
	case s.Title == "":
		return errors.New("title: want a sentence, got nothing")
	case len(s.Requirements) == 0:
		return errors.New("requirements: want at least one: a scenario that checks nothing proves nothing")
	case s.Cluster.TaskManagers < 1 || s.Cluster.TaskManagers > 16:
		return fmt.Errorf("cluster.taskManagers: want 1 to 16, got %d", s.Cluster.TaskManagers)
	case s.Cluster.JobManagers < 0 || s.Cluster.JobManagers > 4:
		return fmt.Errorf("cluster.jobManagers: want 0 to 4, got %d", s.Cluster.JobManagers)
	case s.Cluster.Retained < 1 || s.Cluster.Retained > 100:
		return fmt.Errorf("cluster.retained: want 1 to 100, got %d", s.Cluster.Retained)
	case s.Bound < 0:
		return fmt.Errorf("bound: want more than 0, got %s", s.Bound)
	}
	if err := validateSettings(s.Cluster.Settings); err != nil {
		return fmt.Errorf("cluster.%w", err)
	}
	if err := s.Job.validate(s.Cluster.TaskManagers); err != nil {
		return fmt.Errorf("job.%w", err)
	}
	for _, feature := range s.Features {
		if !slices.Contains(features, feature) {
			return fmt.Errorf("features: want some of %v, got %q", features, feature)
		}
	}
	for _, feature := range s.Needed() {
		if !slices.Contains(s.Features, feature) {
			return fmt.Errorf("features: want %s among them, got %v", feature, s.Features)
		}
	}
	known, err := Requirements()
	if err != nil {
		return err
	}
	for _, id := range s.Requirements {
		if !slices.ContainsFunc(known, func(r Requirement) bool { return r.ID == id }) {
			return fmt.Errorf("requirements: no requirement has the id %q; see: snapback list requirements", id)
		}
	}
	if err := s.Workload.Validate(); err != nil {
		return err
	}
	return s.validateSteps()
}

func (j Job) validate(slots int) error {
	switch {
	case j.Parallelism < 1 || j.Parallelism > slots:
		return fmt.Errorf("parallelism: want 1 to %d, one slot for each TaskManager, got %d", slots, j.Parallelism)
	case j.Interval < 10*time.Millisecond:
		return fmt.Errorf("interval: want 10ms or more, got %s", j.Interval)
	case j.Restarts < 0:
		return fmt.Errorf("restarts: want 0 or more, got %d", j.Restarts)
	case j.Timeout < 0:
		return fmt.Errorf("timeout: want more than 0, got %s", j.Timeout)
	case j.MinPause < 0 || j.MaxConcurrent < 0 || j.Tolerable < 0 || j.ParallelismMax < 0 || j.AlignmentTimeout < 0:
		return fmt.Errorf("minPause, maxConcurrent, tolerable, maxParallelism and alignmentTimeout: want 0 or more, got %s, %d, %d, %d and %s",
			j.MinPause, j.MaxConcurrent, j.Tolerable, j.ParallelismMax, j.AlignmentTimeout)
	case j.AlignmentTimeout > 0 && !j.Unaligned:
		return fmt.Errorf("alignmentTimeout: want none or unaligned: true, got %s: aligned barriers never overtake records", j.AlignmentTimeout)
	case j.Unaligned && j.AtLeastOnce:
		return errors.New("unaligned and atLeastOnce: want at most one: unaligned checkpoints are for exactly-once")
	}
	if _, ok := ParseBackend(j.Backend); !ok && j.Backend != "" {
		return fmt.Errorf("backend: want one of %v, got %q", BackendNames(), j.Backend)
	}
	if err := validateSettings(j.Settings); err != nil {
		return err
	}
	_, err := storage.ParseRetention(string(j.Retention))
	return err
}

// modes says whether the job needs the feature [Modes].
func (j Job) modes() bool {
	return j.AtLeastOnce || j.Unaligned || j.Backend != "" || j.MinPause > 0 || j.MaxConcurrent > 1 || j.Tolerable > 0 || j.ParallelismMax > 0
}

// validateSteps checks each step by itself, and against the steps before it.
func (s Scenario) validateSteps() error {
	so := progress{taskManagers: s.Cluster.TaskManagers}
	for i, step := range s.Steps {
		if err := so.take(s, step); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if len(so.jobs) == 0 {
		return errors.New("steps: want at least one that submits a job")
	}
	return nil
}

// startable lists the processes that a step can start.
var startable = []faults.Process{faults.TaskManager, faults.JobManager, faults.Broker}

// progress is the state of the cluster after some of the steps.
type progress struct {
	jobs         []string       // the jobs that were submitted
	taskManagers int            // the number of TaskManagers that run
	struck       faults.Process // the process of the fault before; empty: there was no fault of a process
}

func (p *progress) take(s Scenario, step Step) error {
	if n := step.fields(); n != 1 {
		return fmt.Errorf("want one thing to do, got %d", n)
	}
	for _, named := range step.jobs() {
		if !slices.Contains(p.jobs, named) {
			return fmt.Errorf("job %q was not submitted before", named)
		}
	}
	switch {
	case step.Submit != nil:
		return p.submit(s, *step.Submit)
	case step.Await != nil:
		return step.Await.validate()
	case step.Start != "" && !slices.Contains(startable, faults.Process(step.Start)):
		return fmt.Errorf("start: want one of %v, got %q", startable, step.Start)
	case step.Start == string(faults.TaskManager):
		p.taskManagers = s.Cluster.TaskManagers
	case step.Wait < 0:
		return fmt.Errorf("wait: want more than 0, got %s", step.Wait)
	case step.Damage != nil:
		return p.damage(*step.Damage)
	case step.Finish != "" && !s.Workload.OnKafka():
		return fmt.Errorf("finish: want a workload on Kafka: other jobs finish by themselves; await the status %s", storage.Finished)
	case step.Fault != nil:
		return p.fault(*step.Fault)
	case step.Arm != nil && !step.Arm.Moment.AtOperation():
		return fmt.Errorf("arm: want a fault at an operation on storage, as in (Kill taskmanager (Before (Rename \"*/_metadata\"))), got %s", step.Arm)
	case step.LosesPower() && !slices.ContainsFunc(s.Steps, func(s Step) bool { return s.Recover != "" }):
		return errors.New("arm: want a step recover, which names the job that recovers after the power loss")
	case step.Arm != nil:
		return p.aim(*step.Arm)
	case step.Savepoint != nil && step.Savepoint.Stop != GoOn && step.Savepoint.Stop != Suspend && step.Savepoint.Stop != Drain:
		return fmt.Errorf("savepoint: stop: want %s, %s or nothing, got %q", Suspend, Drain, step.Savepoint.Stop)
	}
	return nil
}

// aim notes which kind of process a fault affects.
func (p *progress) aim(fault faults.Fault) error {
	if fault.Whom() == faults.Same && p.struck != faults.TaskManager && p.struck != faults.JobManager {
		return fmt.Errorf("fault: %s: want an earlier fault of a taskmanager or of the jobmanager; %s is the process of that fault", fault, faults.Same)
	}
	if whom := fault.At(p.struck).Whom(); whom != "" {
		p.struck = whom
	}
	return nil
}

func (p *progress) fault(fault faults.Fault) error {
	if err := p.aim(fault); err != nil {
		return err
	}
	fault = fault.At(p.struck)
	kills := fault.Action == faults.Kill{Process: faults.TaskManager}
	if len(p.jobs) == 0 || (kills && p.taskManagers == 0) {
		return errors.New("fault: want an earlier step that submits a job, and a TaskManager that still runs")
	}
	if kills {
		p.taskManagers--
	}
	return nil
}

// LosesPower says whether the step arms a power loss.
func (s Step) LosesPower() bool {
	if s.Arm == nil {
		return false
	}
	_, ok := s.Arm.Action.(faults.PowerLoss)
	return ok
}

// Needed lists the features that a target must have to run the scenario. It derives them from the
// workload, the job, the cluster and the steps.
func (s Scenario) Needed() []Feature {
	var all []Feature
	need := func(f Feature, needed bool) {
		if needed && !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	need(HA, s.Cluster.JobManagers > 0)
	need(Workloads, s.Workload.Name != workload.Counts)
	need(Kafka, s.Workload.OnKafka())
	need(FileSink, s.Workload.Connectors == workload.FileSink)
	need(Modes, s.Job.modes())
	var before faults.Process // the process of the fault before
	for _, step := range s.Steps {
		need(Savepoint, step.Savepoint != nil || step.Finish != "")
		need(Native, step.Savepoint != nil && step.Savepoint.Native)
		need(SuspendJob, step.Suspend != "")
		need(Kill, step.Start == string(faults.TaskManager))
		need(JobManager, step.Start == string(faults.JobManager))
		need(Upgrade, step.Upgrade != "")
		need(Kafka, step.Start == string(faults.Broker))
		for _, fault := range []*faults.Fault{step.Fault, step.Arm} {
			if fault != nil {
				need(Tap, fault.Moment.AtOperation())
				fault := fault.At(before)
				before = fault.Whom()
				need(Feature(fault.Needs()), fault.Needs() != "")
			}
		}
		if submit := step.Submit; submit != nil {
			need(Rescale, submit.Parallelism > 0 || (submit.Restore != "" && s.JobOf(*submit).Parallelism != s.Job.Parallelism))
			need(Claim, submit.ClaimMode != "")
			need(Modes, s.JobOf(*submit).modes())
		}
	}
	return all
}

func (p *progress) damage(d Damage) error {
	if d.File == "" || !slices.Contains(harms, d.How) {
		return fmt.Errorf("damage: want a pattern for files, and how: one of %v, got %q and %q", harms, d.File, d.How)
	}
	if len(p.jobs) == 0 {
		return errors.New("damage: want an earlier step that submits a job: there are no files yet")
	}
	return nil
}

func (p *progress) submit(s Scenario, submit Submit) error {
	slots := s.Cluster.TaskManagers
	switch {
	case !scenarioName.MatchString(submit.Job) || slices.Contains(p.jobs, submit.Job):
		return fmt.Errorf("submit: want a new name for the job, got %q", submit.Job)
	case submit.Restore == "" && (submit.From != ToCheckpoint || submit.AllowNonRestored):
		return errors.New("submit: from and allowNonRestored are for a job to restore")
	case submit.ClaimMode != "" && (submit.Restore == "" || submit.From == ToNothing):
		return errors.New("submit: claimMode is for a checkpoint or savepoint to restore")
	case submit.AllowNonRestored && submit.From == ToNothing:
		return errors.New("submit: allowNonRestored is for a checkpoint or savepoint to restore")
	case submit.Parallelism < 0 || submit.Parallelism > slots:
		return fmt.Errorf("submit: parallelism: want 1 to %d, one slot for each TaskManager, got %d", slots, submit.Parallelism)
	}
	if err := submit.From.validate(); err != nil {
		return err
	}
	if submit.With != nil {
		if err := submit.With.validate(slots); err != nil {
			return fmt.Errorf("submit: with.%w", err)
		}
	}
	if submit.ClaimMode != "" {
		if _, err := storage.ParseClaimMode(string(submit.ClaimMode)); err != nil {
			return fmt.Errorf("submit: %w", err)
		}
	}
	p.jobs = append(p.jobs, submit.Job)
	return nil
}

func (a Await) validate() error {
	set := 0
	for _, one := range []bool{a.Completed > 0, a.More > 0, a.Aborted > 0, a.Status != ""} {
		if one {
			set++
		}
	}
	if a.Job == "" || a.Completed < 0 || a.More < 0 || a.Aborted < 0 || set != 1 {
		return errors.New("await: want a job, and one of completed, more, aborted and status")
	}
	if a.Status != "" && !slices.Contains(storage.JobStatuses(), a.Status) {
		return fmt.Errorf("await: status: want one of %v, got %q", storage.JobStatuses(), a.Status)
	}
	return nil
}

func (s Step) fields() int {
	n := 0
	for _, set := range []bool{
		s.Submit != nil, s.Await != nil, s.Fault != nil, s.Start != "",
		s.Arm != nil, s.Recover != "", s.Checkpoint != "", s.Cancel != "", s.Finish != "", s.Fail != "", s.Record != "", s.Savepoint != nil, s.Suspend != "",
		s.Wait != 0, s.Damage != nil, s.Upgrade != "",
	} {
		if set {
			n++
		}
	}
	return n
}

// jobs returns the names of the jobs that must be submitted before the step.
func (s Step) jobs() []string {
	named := []string{s.Checkpoint, s.Cancel, s.Finish, s.Fail, s.Suspend, s.Recover}
	if s.Savepoint != nil {
		named = append(named, s.Savepoint.Job)
	}
	if s.Await != nil {
		named = append(named, s.Await.Job)
	}
	if s.Submit != nil {
		named = append(named, s.Submit.Restore)
	}
	return slices.DeleteFunc(named, func(name string) bool { return name == "" })
}
