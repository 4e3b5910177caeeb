// Package run runs one scenario on one cluster: it takes the steps, lets the faults fire,
// gathers the evidence, and asks package oracle for the verdict.
//
// It knows no engine and trusts no engine: it uses only the interfaces of package target. Package
// explore runs many scenarios in search of a failure. It uses the type [Session] for that.
//
// Start with [Runner]; a [Session] is one run in progress.
package run

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
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/snapback/snapback/harness/expected"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// TriesMax is the greatest number of tries of one scenario. The runner tries again while a try
// proves nothing.
const TriesMax = 10

// HistoryName is the name of the history file in a scenario's directory.
const HistoryName = "history.jsonl"

// Runner runs scenarios on one target.
type Runner struct {
	Target   target.Target
	Seed     uint64
	Dir      string        // the run directory; empty: the runner writes nothing, and clusters get no directory
	Parallel int           // number of scenarios that run at the same time; 0: one
	Tries    int           // the greatest number of tries of one scenario; 0: [TriesMax]
	Timeout  time.Duration // the longest time of one try of one scenario, in wall-clock time; 0: no limit
	Expected expected.List // the failures that are known

	// Progress receives messages for people. It may be nil. Several goroutines may call it.
	Progress func(scenario, what string)
}

// Run runs the scenarios and returns their results, in the order of the scenarios. If done is not
// nil, Run calls done with each result as soon as the result exists.
func (r *Runner) Run(ctx context.Context, chosen []scenarios.Scenario, done func(Result)) []Result {
	results := make([]Result, len(chosen))
	var group errgroup.Group
	group.SetLimit(max(1, r.Parallel))
	for i, s := range chosen {
		group.Go(func() error {
			results[i], _ = r.RunOne(ctx, s)
			if done != nil {
				done(results[i])
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	return results
}

// RunOne runs one scenario. It also returns the history of the last try, or nil if there is no
// history.
func (r *Runner) RunOne(ctx context.Context, s scenarios.Scenario) (result Result, last *history.History) {
	began := time.Now()
	result = NewResult(r.Target, r.Seed, s)
	if unclaimed := target.Unclaimed(r.Target, s); len(unclaimed) > 0 {
		result.Reason = fmt.Sprintf("the target does not claim %s", unclaimed[0])
		return result, nil
	}
	if unhonoured := target.Unhonoured(r.Target, s); len(unhonoured) > 0 {
		result.Reason = unhonoured[0]
		return result, nil
	}
	var cluster target.Cluster // of the last try, closed
	tries := cmp.Or(r.Tries, TriesMax)
	for try := 1; try <= tries; try++ {
		result.Tries = try
		if r.Dir != "" {
			result.Dir = filepath.Join(r.Dir, filepath.FromSlash(s.Name), fmt.Sprintf("try-%d", try))
		}
		digest := sha256.New()
		var err error
		last, cluster, err = r.try(ctx, s, try, result.Dir, digest)
		result.History = hex.EncodeToString(digest.Sum(nil))
		if last == nil {
			result.Verdict, result.Reason = oracle.Error, err.Error()
			break
		}
		void := result.Judge(last, err)
		if err != nil || void == "" {
			break
		}
		r.progress(s.Name, fmt.Sprintf("try %d of %d proved nothing: %s", try, tries, void))
	}
	if failed := result.Verdict == oracle.Fail || result.Verdict == oracle.Error; failed && r.Dir != "" && cluster != nil {
		if err := result.find(cluster); err != nil {
			result.Reason = strings.TrimPrefix(result.Reason+"\n"+err.Error(), "\n")
		}
	}
	result.expect(r.Expected)
	result.Took = time.Since(began)
	return result, last
}

// try runs a scenario once, on a cluster of its own. It returns a history that can be judged, an
// error that ended the run early, or both. It also returns the cluster, which is closed. The cluster
// is nil if none ran at the end. It writes the history to the given writer. If the runner has a
// directory, it also writes the history to a file.
func (r *Runner) try(ctx context.Context, s scenarios.Scenario, try int, dir string, out io.Writer) (recorded *history.History, closed target.Cluster, err error) {
	if r.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, r.Timeout)
		defer cancel()
		ctx = limited
	}
	defer Recover(&err)
	if r.Dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, nil, err
		}
		file, failed := os.Create(filepath.Join(dir, HistoryName))
		if failed != nil {
			return nil, nil, failed
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = io.MultiWriter(out, file)
	}

	setup := Setup{Target: r.Target, Seed: r.Seed, Try: try, Dir: dir, History: out, Progress: func(what string) { r.progress(s.Name, what) }}
	session, err := setup.Begin(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	err = r.explain(ctx, session.TakeAll(ctx, 0))
	if session.cluster == nil { // the power was lost, and the next cluster did not start
		return nil, nil, err
	}
	if collected := session.Collect(); collected != nil {
		return nil, session.cluster, errors.Join(err, collected)
	}
	return session.History(), session.cluster, err
}

// explain adds to an error the reason why a run ended early.
func (r *Runner) explain(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case errors.Is(cause, context.DeadlineExceeded):
		return fmt.Errorf("not done after %s, the timeout: %w", r.Timeout, err)
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

// Recover must be deferred. It turns a panic into an error, so that only one scenario fails and the
// others continue.
func Recover(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("a mistake in this program: %v\n%s", cause, debug.Stack())
	}
}

// deriveSeed returns a different seed for each try of each scenario. So a scenario runs in the same
// way alone and together with others.
func deriveSeed(seed uint64, scenario string, try int) uint64 {
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%d %s %d", seed, scenario, try) // cannot fail
	return hash.Sum64()
}
