package commandline

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/exploration"
)

const (
	exploreSays = time.Second // time between two lines of progress
	minimizeMax = 400         // number of smaller scenarios that are tried after a failure
)

type exploreOptions struct {
	target   runOptions
	only     []string
	campaign string
	shrink   time.Duration
	runs     int
	time     time.Duration
	seed     uint64
	shard    string
	parallel int
	timeout  time.Duration
	storage  string
	cases    string
	twice    bool
	quiet    bool
}

func exploreCommand() *cobra.Command {
	var o exploreOptions
	command := &cobra.Command{
		Use:   "explore [flags]",
		Short: "Run random scenarios, and make those that fail smaller",
		Long: "Draws a random scenario from each seed: a workload, a configuration, steps and faults. Each scenario\n" +
			"leaves out some features completely. The command runs the scenario, and judges the result.\n\n" +
			"On the simulated reference it stops at the first failure, makes that scenario smaller, and saves it.\n" +
			"On Flink it goes on. It repeats a failed run, makes the scenario smaller, saves it as a case, and only\n" +
			"counts later failures that show the same. A campaign on Flink that was interrupted continues if it is\n" +
			"started again with the same --campaign.",
		Example: "  snapback explore --runs 100000\n" +
			"  snapback explore --for 10m --shard 2/4\n" +
			"  snapback explore --runs 1000 --twice\n" +
			"  snapback explore --target flink --for 8h --campaign night\n" +
			"  snapback explore --target flink --only backend=changelog --only faults=none",
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if !command.Flags().Changed("seed") {
				o.seed = rand.Uint64N(1e6)
			}
			o.target.versionGiven = command.Flags().Changed("flink-version")
			if o.target.target == flink.Name {
				return hunt(command, o)
			}
			return exploreSeeds(command, o)
		},
	}
	flags := command.Flags()
	flags.IntVar(&o.runs, "runs", 10_000, "number of scenarios to run; no limit with --for alone")
	flags.DurationVar(&o.time, "for", 0, "how long to run scenarios; a campaign that continues counts the time before, too")
	flags.Uint64Var(&o.seed, "seed", 0, "the first seed; the other scenarios have the seeds after it (default: a random number, which is printed; with --campaign: 1)")
	flags.StringVar(&o.target.target, "target", reference.Name, "what to test: reference or flink")
	flags.StringVar(&o.target.runtime, "runtime", "", "how the target runs: simulated (reference), minicluster or processes (flink)")
	o.target.flinkVersions = []string{flink.DefaultVersion}
	flags.StringVar(&o.target.flinkVersions[0], "flink-version", flink.DefaultVersion, "version of Apache Flink to install and test")
	flags.StringVar(&o.target.flinkHome, "flink-home", "", "`path` of an installed Apache Flink to test instead (default: $FLINK_HOME, unless --flink-version is given)")
	flags.StringArrayVar(&o.only, "only", nil, "with flink, restrict a choice, as in `LABEL=TEXT`,…")
	flags.StringVar(&o.target.expected, "expected", "", "with flink, `path` of a list of expected failures, which are only counted; the list names them by tags")
	flags.StringVar(&o.campaign, "campaign", "", "with flink, `path` of the directory for the journal, the cases and the files of failed runs (default "+runsDir+"/explore-SEED)")
	flags.DurationVar(&o.shrink, "shrink-for", 10*time.Minute, "with flink, how long to make one failed scenario smaller")
	flags.StringVar(&o.shard, "shard", "1/1", "`i/n`: use every n-th seed, beginning with the i-th")
	flags.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "number of scenarios to run at a time")
	flags.DurationVar(&o.timeout, "timeout", 3*time.Minute, "wall-clock limit for one run")
	flags.StringVar(&o.storage, "storage", "", "storage to simulate: jobmanager, or a `URL`; every scheme except file means an object store")
	flags.StringVar(&o.cases, "cases", filepath.Join(runsDir, "cases"), "`path` of the directory for scenarios that fail")
	flags.BoolVar(&o.twice, "twice", false, "run each seed twice; both histories must be the same, byte for byte")
	flags.BoolVar(&o.quiet, "quiet", false, "print no progress")
	registerCompletion(command, "target", reference.Name, flink.Name)
	registerCompletion(command, "runtime", "simulated", flink.MiniclusterRuntime, "processes")
	return command
}

func (o exploreOptions) validate() (first, stride uint64, err error) {
	var i, n uint64
	if got, _ := fmt.Sscanf(o.shard+" ", "%d/%d ", &i, &n); got != 2 || i < 1 || i > n {
		return 0, 0, harness.Usagef("--shard: want i/n, with i from 1 to n, got %q", o.shard)
	}
	switch {
	case o.runs < 1:
		return 0, 0, harness.Usagef("--runs: want 1 or more, got %d", o.runs)
	case o.time < 0:
		return 0, 0, harness.Usagef("--for: want more than 0, got %s", o.time)
	case o.timeout <= 0:
		return 0, 0, harness.Usagef("--timeout: want more than 0, got %s", o.timeout)
	case o.parallel < 1:
		return 0, 0, harness.Usagef("--parallel: want 1 or more, got %d", o.parallel)
	}
	if o.target.target == flink.Name {
		return o.seed + i - 1, n, o.validateHunt()
	}
	switch {
	case o.target.target != reference.Name:
		return 0, 0, harness.Usagef("--target: want %s or %s, got %q", reference.Name, flink.Name, o.target.target)
	case o.target.runtime != "" && o.target.runtime != "simulated":
		return 0, 0, harness.Usagef("--runtime: want simulated for target %s, got %q", reference.Name, o.target.runtime)
	case len(o.only) > 0 || o.campaign != "" || o.target.versionGiven || o.target.flinkHome != "":
		return 0, 0, harness.Usagef("--only, --campaign, --flink-version and --flink-home: want them only with --target %s", flink.Name)
	}
	return o.seed + i - 1, n, nil
}

func exploreSeeds(command *cobra.Command, o exploreOptions) error {
	first, stride, err := o.validate()
	if err != nil {
		return err
	}
	target, err := simulatedOn(o.storage)
	if err != nil {
		return err
	}
	ctx := command.Context()
	if o.time > 0 {
		if !command.Flags().Changed("runs") {
			o.runs = 0 // no limit
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.time)
		defer cancel()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	debug.SetGCPercent(explore.GarbagePercent)
	blocks := exploration.NewBlocks()
	campaign := explore.Campaign{
		Target: target, First: first, Stride: stride, Runs: o.runs, Parallel: o.parallel,
		Timeout: o.timeout, Twice: o.twice,
		Draw: blocks.Draw,
	}
	seen := newExplored(o)
	progress := command.ErrOrStderr()
	if o.quiet {
		progress = io.Discard
	}
	_, _ = fmt.Fprintf(progress, "snapback %s on %s; target %s; seeds from %d; %d at a time\n",
		version(), runtime.Version(), campaign.Target.Describe(), first, o.parallel)
	var failed *run.Result
	campaign.Run(ctx, func(seed uint64, result run.Result) {
		seen.add(result, blocks.Draw(seed), blocks.Recorded(seed))
		if failing(result.Verdict) {
			if failed == nil {
				failed = &result
			}
			stop()
		}
		if time.Since(seen.said) > exploreSays {
			seen.said = time.Now()
			_, _ = fmt.Fprintln(progress, seen.line())
		}
	})
	out := command.OutOrStdout()
	if failed != nil {
		if err := explain(command.Context(), out, progress, campaign, blocks.Recorded(failed.Seed), *failed, o); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprint(out, seen.covered())
	_, _ = fmt.Fprintf(out, "DONE %s (seeds from %d)\n", seen.line(), first)
	switch {
	case failed != nil:
		return &verdictError{failed.Verdict}
	case seen.verdicts[oracle.Pass] == 0:
		return &verdictError{oracle.Void}
	}
	return nil
}

// explain makes a failed scenario smaller, saves the smaller scenario, and prints the command that
// runs it again.
func explain(ctx context.Context, out, progress io.Writer, campaign explore.Campaign, recorded *exploration.Recorded, failed run.Result, o exploreOptions) error {
	seed := failed.Seed
	name := exploration.Name(seed)
	_, _ = fmt.Fprintln(progress, "making the failed scenario smaller")
	smallest := exploration.Minimize(name, recorded, minimizeMax, func(s scenarios.Scenario) bool {
		again := campaign.RunOne(ctx, seed, s)
		return again.Verdict == failed.Verdict && sameProblem(again.Findings, failed.Findings)
	})
	result := campaign.RunOne(ctx, seed, smallest)
	text, err := yaml.Marshal(smallest)
	if err != nil {
		return err
	}
	file := filepath.Join(o.cases, fmt.Sprintf("seed-%d.yaml", seed))
	if err := os.MkdirAll(o.cases, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%s %s %s\n%s", strings.ToUpper(string(result.Verdict)), name, result.Reason, text)
	for _, f := range result.Findings {
		_, _ = fmt.Fprintf(out, "  %s: %s\n    expected: %s\n    found: %s\n", f.Requirement, f.Problem, f.Expected, f.Found)
	}
	storage := ""
	if o.storage != "" {
		storage = " --storage " + o.storage
	}
	_, _ = fmt.Fprintf(out, "replay: snapback run --seed %d%s %s\n", seed, storage, file)
	return nil
}

// sameProblem says whether a run shows the first finding of another one. Two runs that ended with an
// error have no findings.
func sameProblem(findings, want []oracle.Finding) bool {
	if len(want) == 0 {
		return len(findings) == 0
	}
	return slices.ContainsFunc(findings, want[0].Like)
}

// explored counts what a campaign ran.
type explored struct {
	began, said time.Time
	runs        int
	twice       bool
	verdicts    map[oracle.Verdict]int
	faults      map[string]int
	features    map[string]int
	coverage    *exploration.Coverage
}

func newExplored(o exploreOptions) *explored {
	return &explored{began: time.Now(), said: time.Now(), twice: o.twice, verdicts: map[oracle.Verdict]int{}, faults: map[string]int{}, features: map[string]int{}, coverage: exploration.NewCoverage()}
}

func (e *explored) add(result run.Result, s scenarios.Scenario, made *exploration.Recorded) {
	e.runs++
	e.coverage.Add(made)
	e.verdicts[result.Verdict]++
	for _, r := range result.Numbers.Recoveries {
		if fault, err := faults.Parse(r.Fault); err == nil {
			e.faults[exploration.KindOf(fault)]++
		}
	}
	for _, feature := range []string{"workload " + s.Workload.Name, "backend " + s.Job.Backend} {
		e.features[feature]++
	}
	for feature, used := range map[string]bool{
		"high availability": s.Cluster.JobManagers > 0, "unaligned": s.Job.Unaligned, "at least once": s.Job.AtLeastOnce, "concurrent": s.Job.MaxConcurrent > 1,
		"resumed": len(s.Steps) > 0 && slices.ContainsFunc(s.Steps, func(step scenarios.Step) bool { return step.Submit != nil && step.Submit.Restore != "" }),
	} {
		if used {
			e.features[feature]++
		}
	}
}

func (e *explored) line() string {
	took := time.Since(e.began)
	text := fmt.Sprintf("%d runs: %d pass, %d fail, %d void", e.runs, e.verdicts[oracle.Pass], e.verdicts[oracle.Fail], e.verdicts[oracle.Void])
	if n := e.verdicts[oracle.Error]; n > 0 {
		text += fmt.Sprintf(", %d error", n)
	}
	if e.twice {
		text += ", each repeated with the same history"
	}
	return fmt.Sprintf("%s in %s, %.0f runs/s", text, took.Round(time.Second), float64(e.runs)/took.Seconds())
}

// covered returns three lines: how many runs had each feature, how often each kind of fault struck,
// and what share of the combinations of choices the scenarios have.
func (e *explored) covered() string {
	var text strings.Builder
	for _, kind := range []struct {
		name   string
		counts map[string]int
	}{{"features", e.features}, {"faults", e.faults}} {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(kind.counts)) {
			parts = append(parts, fmt.Sprintf("%s %d", name, kind.counts[name]))
		}
		_, _ = fmt.Fprintf(&text, "%s: %s\n", kind.name, strings.Join(parts, ", "))
	}
	share := e.coverage.Share()
	_, _ = fmt.Fprintf(&text, "covered %.0f%% of the pairs of choices, and %.0f%% of the triples that a recovery depends on\n", 100*share.Pairs, 100*share.Triples)
	return text.String()
}
