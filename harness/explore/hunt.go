package explore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
	"github.com/snapback/snapback/scenarios/workload"
)

// Hunt is a campaign on a real engine. It does not stop at a failure: it repeats the failed run,
// makes the scenario smaller, saves it as a case, and goes on. Meanwhile the other runs of the
// campaign go on, too. It notes each run in a journal.
//
// A failure that an earlier case of the campaign shows, or that is known, is only counted.
type Hunt struct {
	Campaign  Campaign
	Journal   *Journal
	Cases     string        // directory for cases
	ShrinkFor time.Duration // the longest time for making one scenario smaller
	Known     func(run.Result, scenarios.Scenario) (link string)
	Say       func(string) // receives messages for people

	found []Case
	names []string // names of the files of the found cases

	mu        sync.Mutex
	noting    sync.Mutex
	examining bool     // whether a failure is being examined
	waiting   []func() // examine the failures that came meanwhile
}

// Run runs the campaign. It calls done with each result, and with the note about the run.
func (h *Hunt) Run(ctx context.Context, done func(run.Result, Entry)) error {
	if err := h.readCases(); err != nil {
		return err
	}
	h.Campaign.Skip = h.Journal.Seeds()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	note := func(result run.Result, entry Entry, err error) {
		h.noting.Lock()
		defer h.noting.Unlock()
		if err = errors.Join(err, h.Journal.Note(entry)); err != nil {
			failed = errors.Join(failed, err)
			stop()
			return
		}
		done(result, entry)
	}
	h.Campaign.each(ctx, func(seed uint64, result run.Result) {
		s := h.Campaign.Draw(seed)
		entry := Entry{
			Seed: seed, Verdict: result.Verdict, Reason: result.Reason, Took: result.Took, Elapsed: h.Journal.Elapsed(),
			Recoveries: recovered(result), Resumes: resumes(s),
		}
		if !failing(result.Verdict) {
			note(result, entry, nil)
			return
		}
		h.inTurn(func() {
			err := h.examine(ctx, result, s, &entry)
			if errors.Is(ctx.Err(), context.Canceled) && err == nil {
				return // a campaign that continues runs this seed again
			}
			note(result, entry, err)
		})
	})
	return failed
}

// inTurn calls look(), which examines a failure. If another failure is being examined, look() is
// called after that, and inTurn returns at once, so that the campaign goes on.
func (h *Hunt) inTurn(look func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting = append(h.waiting, look); h.examining {
		return
	}
	h.examining = true
	for len(h.waiting) > 0 {
		look, h.waiting = h.waiting[0], h.waiting[1:]
		h.mu.Unlock()
		look()
		h.mu.Lock()
	}
	h.examining = false
}

// readCases reads the cases that the campaign found before it was interrupted.
func (h *Hunt) readCases() error {
	found, err := h.Journal.Found()
	for _, f := range found {
		h.found, h.names = append(h.found, f.Case), append(h.names, f.File)
	}
	return err
}

// examine looks into a run that failed. It notes which case or known failure the run shows. If the
// time of the campaign is over, it saves the case as it is.
func (h *Hunt) examine(ctx context.Context, result run.Result, s scenarios.Scenario, entry *Entry) error {
	if h.Known != nil {
		if entry.Known = h.Known(result, s); entry.Known != "" {
			return os.RemoveAll(runDir(result))
		}
	}
	for i, earlier := range h.found {
		if earlier.shows(result, s) {
			entry.Case = h.names[i]
			return os.RemoveAll(runDir(result))
		}
	}
	h.Say(fmt.Sprintf("%s %s: %s", s.Name, result.Verdict, summary(result)))
	asks := h.Campaign
	asks.Dir = filepath.Join(h.Campaign.Dir, "asks")
	c := asks.Confirm(ctx, CaseOf(result, s))
	if c.Rate.Failed > 0 {
		c = asks.Smallest(ctx, c, h.ShrinkFor)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	name, err := c.Write(h.Cases)
	if err != nil {
		return err
	}
	entry.Case, entry.Dir = name, result.Dir
	h.found, h.names = append(h.found, c), append(h.names, name)
	h.Say(fmt.Sprintf("%s: %d steps, failed again in %s runs; saved %s after %s", s.Name, len(c.Scenario.Steps), c.Rate, name, h.Journal.Elapsed().Round(time.Second)))
	return nil
}

// CaseOf makes a case from a failed run of a real engine.
func CaseOf(result run.Result, s scenarios.Scenario) Case {
	return Case{Seed: result.Seed, Target: &result.Target, Verdict: result.Verdict, Findings: result.Findings, Scenario: s}
}

// runDir returns the directory that the campaign created for a run.
func runDir(result run.Result) string {
	dir, _, _ := strings.Cut(filepath.ToSlash(result.Dir), "/"+result.Scenario+"/")
	return dir
}

func summary(result run.Result) string {
	if len(result.Findings) == 0 {
		return result.Reason
	}
	return result.Findings[0].Requirement + ": " + result.Findings[0].Problem
}

func recovered(result run.Result) (n int) {
	for _, r := range result.Numbers.Recoveries {
		if r.Took > 0 {
			n++
		}
	}
	return n
}

func resumes(s scenarios.Scenario) (n int) {
	for _, step := range s.Steps {
		if step.Submit != nil && step.Submit.Restore != "" {
			n++
		}
	}
	return n
}

// shows says whether a failed run probably shows the same mistake as the case: it fails in the same
// way, and has everything that is special about the case's scenario. The default workload is not
// special, because a smaller scenario has it whenever that is possible.
func (c Case) shows(result run.Result, s scenarios.Scenario) bool {
	tags := append(exploration.Tags(s), "workload "+workload.Counts)
	return c.SameFailure(result) && !slices.ContainsFunc(exploration.Tags(c.Scenario), func(tag string) bool { return !slices.Contains(tags, tag) })
}
