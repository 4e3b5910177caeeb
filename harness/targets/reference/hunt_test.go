package reference_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
)

// huntDraw draws a scenario that fails from each third seed: it says wrongly that the target must
// refuse a job.
func huntDraw(seed uint64) scenarios.Scenario {
	only := exploration.Only{"faults": {"none"}, "thing": {"cancel and resume"}, "retention": {"RETAIN_ON_CANCELLATION"}, "backend": {"changelog"}}
	space := exploration.Space{Features: target.Features(reference.Simulated{}), Backends: []string{"full", "changelog"}, Only: only}
	s := space.Draw(fmt.Sprintf("explored/seed-%d", seed), exploration.Seeded(seed))
	for i, step := range s.Steps {
		if seed%3 == 0 && step.Submit != nil && step.Submit.Restore != "" {
			wrong := *step.Submit
			wrong.Refused.Expected = true
			s.Steps[i].Submit = &wrong
		}
	}
	return s
}

func hunt(ctx context.Context, t *testing.T, dir string, done func(run.Result, explore.Entry)) *explore.Journal {
	t.Helper()
	return huntOf(ctx, t, &explore.Hunt{Campaign: explore.Campaign{Parallel: 1, Dir: dir}, Say: func(text string) { t.Log(text) }}, done)
}

// huntOf runs a campaign on the reference in the directory of the given one.
func huntOf(ctx context.Context, t *testing.T, h *explore.Hunt, done func(run.Result, explore.Entry)) *explore.Journal {
	t.Helper()
	dir := h.Campaign.Dir
	journal, err := explore.OpenJournal(dir, explore.JournalHeader{Target: reference.Simulated{}.Describe(), First: 1, Stride: 1})
	if err != nil {
		t.Fatal(err)
	}
	h.Campaign = explore.Campaign{
		Target: reference.Simulated{}, Draw: huntDraw, First: 1, Stride: 1, Runs: 9, Parallel: h.Campaign.Parallel, Timeout: time.Minute, Dir: filepath.Join(dir, "runs"),
	}
	h.Journal, h.Cases, h.ShrinkFor = journal, filepath.Join(dir, "cases"), time.Minute
	if err := errors.Join(h.Run(ctx, done), journal.Close()); err != nil {
		t.Fatal(err)
	}
	return journal
}

func TestAHuntSavesEachFailureOnceAndContinuesAfterAnInterruption(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	ran := 0
	hunt(ctx, t, dir, func(run.Result, explore.Entry) {
		if ran++; ran == 4 {
			interrupt()
		}
	})
	journal := hunt(t.Context(), t, dir, func(_ run.Result, e explore.Entry) {
		if ran++; e.Seed <= 4 {
			t.Errorf("seed %d ran again", e.Seed)
		}
	})
	if ran != 9 || len(journal.Entries) != 9 {
		t.Errorf("want 9 runs in two parts, got %d, and %d in the journal", ran, len(journal.Entries))
	}
	var name string
	for _, e := range journal.Entries {
		if failed := e.Verdict == oracle.Fail; failed != (e.Seed%3 == 0) || failed != (e.Case != "") {
			t.Errorf("want a case for seeds 3, 6 and 9, got %+v", e)
		}
		if e.Seed == 3 {
			name = e.Case
		}
		if e.Case != "" && e.Case != name {
			t.Errorf("seed %d shows what case %s shows, but has the case %s", e.Seed, name, e.Case)
		}
	}
	c, err := explore.ReadCase(name)
	if err != nil {
		t.Fatal(err)
	}
	if c.Target == nil || c.Rate == nil || *c.Rate != (explore.Rate{Failed: 3, Runs: 3}) || len(c.Scenario.Steps) > 4 || !strings.HasPrefix(c.Findings[0].Requirement, "REC") {
		t.Errorf("got %+v", c)
	}
}

func TestAHuntGoesOnWhileItExaminesAFailure(t *testing.T) {
	went := make(chan struct{}, 9)
	first := sync.OnceFunc(func() {
		for len(went) > 0 {
			<-went // of runs that were noted before the failure
		}
		select {
		case <-went:
		case <-time.After(time.Minute):
			t.Error("want another run to be noted while the failure is examined, got none in a minute")
		}
	})
	journal := huntOf(t.Context(), t, &explore.Hunt{Campaign: explore.Campaign{Parallel: 2, Dir: t.TempDir()}, Say: func(string) { first() }}, func(run.Result, explore.Entry) { went <- struct{}{} })
	if found, err := journal.Found(); err != nil || len(found) != 1 || found[0].Runs != 3 {
		t.Errorf("want one case in 3 runs, got %+v, %v", found, err)
	}
}

func TestAHuntWhoseTimeIsOverSavesWhatItExamines(t *testing.T) {
	ctx, end := context.WithTimeout(t.Context(), 5*time.Second)
	defer end()
	journal := huntOf(ctx, t, &explore.Hunt{Campaign: explore.Campaign{Parallel: 1, Dir: t.TempDir()}, Say: func(string) { <-ctx.Done() }}, func(run.Result, explore.Entry) {})
	found, err := journal.Found()
	if err != nil || len(found) == 0 {
		t.Fatalf("want the case that was examined, got %+v, %v", found, err)
	}
	if f := found[0]; f.Again() || f.Case.Rate.Runs != 0 || f.First.Dir == "" || len(f.Case.Scenario.Steps) <= 4 {
		t.Errorf("want a case that was neither repeated nor made smaller, with the files of its run, got %+v", f)
	}
}

// tired is a target on which a cluster with one TaskManager fails to start only once. Larger
// clusters always fail.
type tired struct {
	reference.Simulated
	failed *bool
}

func (c tired) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	if spec.TaskManagers == 1 && *c.failed {
		return c.Simulated.Start(ctx, spec)
	}
	*c.failed = *c.failed || spec.TaskManagers == 1
	return nil, errors.New("no cluster today")
}

func TestACaseIsNotMadeSoSmallThatItFailsNoMore(t *testing.T) {
	c := explore.Campaign{Target: tired{failed: new(bool)}, Timeout: time.Minute}
	s := huntDraw(1)
	s.Cluster.TaskManagers = 3
	saved := c.Confirm(t.Context(), explore.CaseOf(c.RunOne(t.Context(), 1, s), s))
	smallest := c.Smallest(t.Context(), saved, time.Minute)
	if rate := *smallest.Rate; rate != (explore.Rate{Failed: 3, Runs: 3}) || smallest.Scenario.Cluster.TaskManagers == 1 || len(smallest.Scenario.Steps) >= len(s.Steps) {
		t.Errorf("want a smaller case that still fails, got %s, %+v", rate, smallest.Scenario)
	}
}
