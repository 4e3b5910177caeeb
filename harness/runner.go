package harness

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios"
)

// TriesMax is how often a scenario is tried until it proves something.
const TriesMax = 10

// ResultSchema names the format of a result.
const ResultSchema = "snapback/result/1"

// HistoryName is the name of the history in a scenario's directory.
const HistoryName = "history.jsonl"

// Result is the outcome of one scenario.
type Result struct {
	Schema       string                      `json:"schema"`
	Scenario     string                      `json:"scenario"`
	File         string                      `json:"file,omitempty"` // of the scenario, if it is the user's
	Title        string                      `json:"title"`
	Target       history.Target              `json:"target"`
	Seed         uint64                      `json:"seed"` // of the whole run
	Tries        int                         `json:"tries"`
	Verdict      oracle.Verdict              `json:"verdict"`
	Reason       string                      `json:"reason,omitempty"` // of void, skip and error
	Requirements []oracle.RequirementVerdict `json:"requirements"`
	Findings     []oracle.Finding            `json:"findings,omitempty"`
	Numbers      oracle.Numbers              `json:"numbers"`
	Took         time.Duration               `json:"took_ns"` // by the wall clock
	Dir          string                      `json:"dir,omitempty"`
	History      string                      `json:"history_sha256,omitempty"` // digest of the history file
}

// Runner runs scenarios on one target.
type Runner struct {
	Target   Target
	Seed     uint64
	Dir      string        // the run directory; empty: nothing is written
	Parallel int           // scenarios at a time
	Tries    int           // of one scenario, until it proves something; 0: [TriesMax]
	Timeout  time.Duration // on one try of one scenario, by the wall clock

	// Progress is told what happens, for people; it may be called from several
	// goroutines.
	Progress func(scenario, what string)
}

// Run runs the scenarios and returns a result for each, in their order. Done is
// called with each as it is there.
func (r *Runner) Run(ctx context.Context, chosen []scenarios.Scenario, done func(Result)) []Result {
	results := make([]Result, len(chosen))
	var group errgroup.Group
	group.SetLimit(max(1, r.Parallel))
	for i, s := range chosen {
		group.Go(func() error {
			results[i], _ = r.runScenario(ctx, s)
			done(results[i])
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	return results
}

// runScenario runs a scenario, and returns the history of its last try.
func (r *Runner) runScenario(ctx context.Context, s scenarios.Scenario) (result Result, last *history.History) {
	began := time.Now()
	result = newResult(r.Target, r.Seed, s)
	if unclaimed := Unclaimed(r.Target, s); len(unclaimed) > 0 {
		result.Reason = fmt.Sprintf("the target does not claim %s", unclaimed[0])
		return result, nil
	}
	tries := cmp.Or(r.Tries, TriesMax)
	for try := 1; try <= tries; try++ {
		result.Tries = try
		result.Dir = filepath.Join(r.Dir, filepath.FromSlash(s.Name), fmt.Sprintf("try-%d", try))
		digest := sha256.New()
		h, err := r.try(ctx, s, try, result.Dir, digest)
		last = h
		result.History = hex.EncodeToString(digest.Sum(nil))
		if h == nil {
			result.Verdict, result.Reason = oracle.Error, err.Error()
			break
		}
		void := result.judge(h, err)
		if err != nil || void == "" {
			break
		}
		r.progress(s.Name, fmt.Sprintf("try %d of %d proved nothing: %s", try, tries, void))
	}
	result.Took = time.Since(began)
	return result, last
}

// judge asks the oracles what a history, and the error that ended it, come to. It returns
// why nothing was proven, if that is so.
func (result *Result) judge(h *history.History, err error) (void string) {
	judged := oracle.Judge(h)
	result.Verdict, result.Reason, result.Findings = judged.Verdict, judged.Void, judged.Findings
	result.Requirements, result.Numbers = judged.Requirements, judged.Numbers
	if err != nil {
		result.Reason = err.Error()
		if judged.Verdict != oracle.Fail { // a violation is one, whatever went wrong after it
			result.Verdict, result.Requirements = oracle.Error, nil
		}
	}
	if judged.Verdict != oracle.Void {
		return ""
	}
	return judged.Void
}

// try runs a scenario once, on a cluster of its own. It returns a history that can
// be judged, an error that kept the run from its end, or both. What is written to the
// history file goes to out, too.
func (r *Runner) try(ctx context.Context, s scenarios.Scenario, try int, dir string, out io.Writer) (recorded *history.History, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	defer asError(&err)
	if r.Dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		file, failed := os.Create(filepath.Join(dir, HistoryName))
		if failed != nil {
			return nil, failed
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = io.MultiWriter(out, file)
	}

	run, err := beginning{r.Target, r.Seed, try, dir, out, func(what string) { r.progress(s.Name, what) }}.begin(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, run.close()) }()
	err = r.explain(ctx, run.steps(ctx, 0))
	if run.cluster == nil { // it lost its power, and did not come up again
		return nil, err
	}
	if collected := run.finish(); collected != nil {
		return nil, errors.Join(err, collected)
	}
	return &run.history.History, err
}

// beginning is what a run begins with.
type beginning struct {
	target   Target
	seed     uint64 // of all runs; this one's is derived from it
	try      int
	dir      string
	history  io.Writer
	progress func(string)
}

// begin brings up a cluster for a run of a scenario.
func (b beginning) begin(ctx context.Context, s scenarios.Scenario) (*run, error) {
	seed := deriveSeed(b.seed, s.Name, b.try)
	s.Workload.Seed = int64(seed >> 33)
	recorder, err := history.NewRecorder(b.history, history.Header{Scenario: s, Target: b.target.Describe(), Seed: b.seed, Try: b.try})
	if err != nil {
		return nil, err
	}
	r := newRun(s, recorder, seed, b.progress)
	r.spec = ClusterSpec{Cluster: s.Cluster, Dir: b.dir, Seed: seed, Needs: s.Features, Observe: r.observe}
	if r.cluster, err = b.target.Start(ctx, r.spec); err != nil {
		return nil, fmt.Errorf("start a cluster: %w", err)
	}
	return r, nil
}

// asError makes an error of a mistake in this program: it is one scenario's, and the
// others go on.
func asError(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("a mistake in this program: %v\n%s", cause, debug.Stack())
	}
}

// newResult is what is known of a scenario's result before it runs.
func newResult(target Target, seed uint64, s scenarios.Scenario) Result {
	return Result{
		Schema: ResultSchema, Scenario: s.Name, File: s.File, Title: s.Title, Target: target.Describe(), Seed: seed, Verdict: oracle.Skip,
	}
}

// explain says what ended a run before its time.
func (r *Runner) explain(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case errors.Is(cause, context.DeadlineExceeded):
		return fmt.Errorf("not done after %s (--timeout): %w", r.Timeout, err)
	case cause != nil:
		return fmt.Errorf("stopped: %w", cause)
	default:
		return err
	}
}

func (r *Runner) progress(scenario, what string) {
	if r.Progress != nil {
		r.Progress(scenario, what)
	}
}

// deriveSeed gives each try of each scenario a seed of its own, so that a scenario
// runs alike alone and among others.
func deriveSeed(seed uint64, scenario string, try int) uint64 {
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%d %s %d", seed, scenario, try) // cannot fail
	return hash.Sum64()
}
