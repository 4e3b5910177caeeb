package commandline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
)

// huntSays is the time between two lines of progress.
const huntSays = 10 * time.Second

// validateHunt checks the flags that are different on a real engine.
func (o exploreOptions) validateHunt() error {
	switch {
	case !slices.Contains([]string{"", flink.MiniclusterRuntime, "processes"}, o.target.runtime):
		return harness.Usagef("--runtime: want %s or processes for target %s, got %q", flink.MiniclusterRuntime, flink.Name, o.target.runtime)
	case o.twice:
		return harness.Usagef("--twice: only a run of the simulated reference can be repeated exactly, got --target %s", flink.Name)
	case o.storage != "":
		return harness.Usagef("--storage: want it only with --target reference")
	case o.target.versionGiven && o.target.flinkHome != "":
		return harness.Usagef("--flink-version and --flink-home: want at most one of these flags")
	case strings.Contains(o.target.flinkVersions[0], ":"):
		return harness.Usagef("--flink-version: no explored scenario upgrades, so want one version, got %s", o.target.flinkVersions[0])
	case o.shrink <= 0:
		return harness.Usagef("--shrink-for: want more than 0, got %s", o.shrink)
	}
	return nil
}

// hunt explores a real engine.
func hunt(command *cobra.Command, o exploreOptions) (err error) {
	if !command.Flags().Changed("seed") && o.campaign != "" {
		o.seed = 1 // a random seed could not continue the campaign
	}
	first, stride, err := o.validate()
	if err != nil {
		return err
	}
	if o.campaign == "" {
		o.campaign = filepath.Join(runsDir, fmt.Sprintf("explore-%d", o.seed))
	}
	if o.campaign, err = filepath.Abs(o.campaign); err != nil {
		return err
	}
	if !command.Flags().Changed("runs") && o.time > 0 {
		o.runs = 0 // no limit
	}
	progress := newProgress(command.ErrOrStderr(), true, o.quiet)
	engine, closeEngine, err := newEngine(command.Context(), o.target, o.campaign, progress.line)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEngine()) }()
	space := spaceOf(engine)
	if space.Only, err = space.ParseOnly(o.only); err != nil {
		return harness.Usagef("--only: %w", err)
	}
	journal, err := explore.OpenJournal(o.campaign, explore.JournalHeader{Target: engine.Describe(), First: first, Stride: stride, Only: o.only})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	plan := space.Plan(first, stride, exploration.Name)
	h := &explore.Hunt{
		Campaign: explore.Campaign{
			Target: engine, First: first, Stride: stride, Runs: o.runs, Parallel: o.parallel, Timeout: o.timeout, Dir: filepath.Join(o.campaign, "runs"),
			Draw: plan.Draw,
		},
		Journal: journal, Cases: filepath.Join(o.campaign, "cases"), ShrinkFor: o.shrink, Say: progress.line,
	}
	if h.Known, err = knownIn(o.target.expected); err != nil {
		return err
	}
	progress.line(fmt.Sprintf("snapback %s on %s; target %s; seeds from %d; %d at a time; %s", version(), runtime.Version(), engine.Describe(), first, o.parallel, o.campaign))
	if n := len(journal.Entries); n > 0 {
		progress.line(fmt.Sprintf("continuing after %d runs in %s", n, journal.Elapsed().Round(time.Second)))
	}
	return runHunt(command, o, h, space, progress)
}

// knownIn returns a function that looks up failed runs in a list of expected failures.
func knownIn(file string) (func(run.Result, scenarios.Scenario) string, error) {
	list, err := readExpected(file)
	if err != nil {
		return nil, err
	}
	return func(result run.Result, s scenarios.Scenario) string {
		if result.Verdict != oracle.Fail {
			return ""
		}
		f, _ := list.Explored(s, result.Target, result.Requirements)
		return f.Link
	}, nil
}

// spaceOf returns the space of the scenarios that a real engine can run.
func spaceOf(engine target.Target) exploration.Space {
	space := exploration.Space{Features: target.Features(engine), Groups: engine.Honours(target.Field{Name: target.JobParallelism, Value: "6"})}
	for _, backend := range append([]string{"hashmap"}, scenarios.BackendNames()...) {
		if backend != "full" && !slices.Contains(space.Backends, backend) && engine.Honours(target.Field{Name: target.JobBackend, Value: backend}) { // full is another word for hashmap
			space.Backends = append(space.Backends, backend)
		}
	}
	for _, s := range exploration.Settings() {
		field := target.Field{Name: target.JobSettings, Key: s.Key, Value: s.Value}
		if s.Cluster {
			field.Name = target.ClusterSettings
		}
		if engine.Honours(field) {
			space.Settings = append(space.Settings, s)
		}
	}
	return space
}

// newEngine returns a target for many runs of a real engine, and a function that ends what the
// target started. JVMs that serve many runs have their files in the given directory.
func newEngine(ctx context.Context, o runOptions, dir string, say func(string)) (target.Target, func() error, error) {
	if o.runtime == "" {
		o.runtime = flink.MiniclusterRuntime
	}
	engines, err := newTargets(ctx, o, say)
	if err != nil {
		return nil, nil, err
	}
	return pooled(engines[0], filepath.Join(dir, jvmsDir))
}

// runHunt runs a campaign, and prints what it found.
func runHunt(command *cobra.Command, o exploreOptions, h *explore.Hunt, space exploration.Space, progress *progress) error {
	ctx := command.Context()
	if o.time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(0, o.time-h.Journal.Elapsed()))
		defer cancel()
	}
	said := time.Now()
	err := h.Run(ctx, func(run.Result, explore.Entry) {
		if time.Since(said) > huntSays {
			said = time.Now()
			progress.line(huntLine(h.Journal))
		}
	})
	if err != nil {
		return err
	}
	out := command.OutOrStdout()
	found, err := h.Journal.Found()
	if err != nil {
		return err
	}
	if err := printHunt(out, h, found, space); err != nil {
		return err
	}
	return huntVerdict(h.Journal, found)
}

// huntVerdict returns the error that stands for the verdict on a whole campaign. Known failures do
// not count. A failure that was seen only once proves nothing, so with only such failures the
// campaign is void.
func huntVerdict(j *explore.Journal, found []explore.Found) error {
	var verdicts []oracle.Verdict
	for _, f := range found {
		if f.Again() {
			verdicts = append(verdicts, f.Case.Verdict)
		}
	}
	passed := slices.ContainsFunc(j.Entries, func(e explore.Entry) bool { return e.Verdict == oracle.Pass })
	switch {
	case len(verdicts) > 0:
		return &verdictError{oracle.Worst(verdicts)}
	case len(found) > 0 || !passed:
		return &verdictError{oracle.Void}
	}
	return nil
}

// huntLine says in one line what a campaign did so far.
func huntLine(j *explore.Journal) string {
	verdicts := map[oracle.Verdict]int{}
	var known, recoveries, resumes int
	for _, e := range j.Entries {
		recoveries += e.Recoveries
		resumes += e.Resumes
		if e.Known != "" {
			known++
		} else {
			verdicts[e.Verdict]++
		}
	}
	took := j.Elapsed().Seconds()
	text := fmt.Sprintf("%d runs: %d pass, %d fail, %d void, %d error", len(j.Entries), verdicts[oracle.Pass], verdicts[oracle.Fail], verdicts[oracle.Void], verdicts[oracle.Error])
	if known > 0 {
		text += fmt.Sprintf(", %d known", known)
	}
	return fmt.Sprintf("%s in %s; %.2f runs/s, %.2f recoveries and %.2f resumes/s", text, j.Elapsed().Round(time.Second),
		float64(len(j.Entries))/took, float64(recoveries)/took, float64(resumes)/took)
}

// printHunt prints the cases of a campaign, and what its scenarios covered.
func printHunt(out io.Writer, h *explore.Hunt, found []explore.Found, space exploration.Space) error {
	for _, f := range found {
		printFound(out, f)
	}
	known := map[string]int{}
	for _, e := range h.Journal.Entries {
		if e.Known != "" {
			known[e.Known]++
		}
	}
	for _, link := range slices.Sorted(maps.Keys(known)) {
		_, _ = fmt.Fprintf(out, "known in %d runs: %s\n", known[link], link)
	}
	covered, all := coverage(h, space)
	_, err := fmt.Fprintf(out, "without faults: %s\ncovered %d of %d pairs of features (%.0f%%)\nDONE %s (seeds from %d)\n",
		withoutFaults(h), covered, all, 100*float64(covered)/float64(max(1, all)), huntLine(h.Journal), h.Campaign.First)
	return err
}

// withoutFaults says what became of the runs whose scenarios have no fault. A failure among them is
// either a bug of the engine or a false alarm.
func withoutFaults(h *explore.Hunt) string {
	runs, failed, known := 0, 0, 0
	for _, e := range h.Journal.Entries {
		switch {
		case slices.ContainsFunc(h.Campaign.Draw(e.Seed).Steps, scenarios.Step.HasFault):
			continue
		case e.Known != "":
			known++
		case e.Verdict == oracle.Fail || e.Verdict == oracle.Error:
			failed++
		}
		runs++
	}
	return fmt.Sprintf("%d runs, %d failed, %d known", runs, failed, known)
}

// printFound prints a case, and how often it was seen.
func printFound(out io.Writer, f explore.Found) {
	seen := fmt.Sprintf("in %d runs", f.Runs)
	switch {
	case !f.Again():
		seen = "once, and not again"
	case f.Runs == 1:
		seen = "in 1 run"
	}
	_, _ = fmt.Fprintf(out, "%s %s, first seed %d after %s; the smallest scenario has %d steps, and failed again in %s runs\n",
		strings.ToUpper(string(f.Case.Verdict)), seen, f.First.Seed, f.First.Elapsed.Round(time.Second), len(f.Case.Scenario.Steps), f.Case.Rate)
	for _, finding := range f.Case.Findings {
		_, _ = fmt.Fprintf(out, "  %s: %s\n    expected: %s\n    found: %s\n", finding.Requirement, finding.Problem, finding.Expected, finding.Found)
	}
	if len(f.Case.Findings) == 0 {
		_, _ = fmt.Fprintf(out, "  %s\n", f.First.Reason)
	}
	if f.First.Dir != "" {
		_, _ = fmt.Fprintf(out, "  files of the run: %s\n", f.First.Dir)
	}
	_, _ = fmt.Fprintf(out, "  replay: snapback replay %s\n", f.File)
}

// coverage counts the pairs of tags that the runs of a campaign had, of those that a sample of the
// space has. A run that proved nothing covers nothing.
func coverage(h *explore.Hunt, space exploration.Space) (covered, all int) {
	ran := exploration.Pairs{}
	for _, e := range h.Journal.Entries {
		if e.Verdict == oracle.Pass || e.Verdict == oracle.Fail {
			ran.Add(h.Campaign.Draw(e.Seed))
		}
	}
	sample := space.Pairs()
	for pair := range sample {
		if ran[pair] > 0 {
			covered++
		}
	}
	return covered, len(sample)
}
