package commandline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

// Where runs are kept unless the user says otherwise.
const (
	runsDir    = "snapback-runs"
	latestLink = "latest"
)

type runOptions struct {
	heavy                    *Heavy // nil: this program has none
	target, runtime          string
	flinkVersion, flinkHome  string
	image                    string
	versionGiven             bool
	rest                     string
	storage                  string
	place                    reference.Storage // what storage says
	seed                     uint64
	format, reportDir, junit string
	parallel                 int
	timeout                  time.Duration
	verbose, quiet, noColor  bool
}

func runCommand(heavy *Heavy) *cobra.Command {
	o := runOptions{heavy: heavy}
	command := &cobra.Command{
		Use:   "run [flags] [SCENARIO…]",
		Short: "Run scenarios on a target, and judge them",
		Long: "Runs scenarios on a target, and judges them. A scenario is a name, a pattern (* within\n" +
			"a part of a name, ** across parts) or a file; without any, all that the target claims\n" +
			"to be able to do are run.",
		Example: "  snapback run recovery/kill-taskmanager-mid-checkpoint\n" +
			"  snapback run --runtime processes 'cleanup/**'\n" +
			"  snapback run --runtime processes --storage s3://bucket/checkpoints recovery\n" +
			"  snapback run --target flink --flink-version 1.20.5 recovery\n" +
			"  snapback run --target flink --rest http://localhost:8081 cleanup",
		ValidArgsFunction: completeScenarios,
		RunE: func(command *cobra.Command, arguments []string) error {
			if !command.Flags().Changed("seed") {
				o.seed = rand.Uint64N(1e6)
			}
			o.versionGiven = command.Flags().Changed("flink-version")
			var err error
			if o.place, err = reference.ParseStorage(o.storage); err != nil {
				return harness.Usagef("--storage: %w", err)
			}
			return runScenarios(command, o, arguments)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.target, "target", reference.Name, "what to test: reference or flink")
	flags.StringVar(&o.runtime, "runtime", "", "how it runs: simulated (reference only), processes, minicluster (flink in one JVM), containers (flink in Docker), or running (flink only, with --rest); default: the first that the target has")
	flags.StringVar(&o.flinkVersion, "flink-version", flink.DefaultVersion, "the Apache Flink to install and test")
	flags.StringVar(&o.flinkHome, "flink-home", "", "`path` of an Apache Flink distribution to test instead (FLINK_HOME, unless a version is given)")
	flags.StringVar(&o.image, "image", "", "Docker `image` of Flink for --runtime containers (default flink:VERSION)")
	flags.StringVar(&o.rest, "rest", "", "`URL` of the REST API of a Flink that runs already, as in http://localhost:8081")
	flags.StringVar(&o.storage, "storage", "", "where the reference keeps checkpoints: jobmanager, or a `URL` (file, hdfs, s3, gs, azblob); simulated, it is in memory all the same (default: the run directory)")
	flags.Uint64Var(&o.seed, "seed", 0, "the integer that decides everything left to chance; random and printed if absent")
	flags.StringVar(&o.format, "format", "human", "of the results on stdout: human, json or jsonl")
	flags.StringVar(&o.reportDir, "report", "", "`path` of the run directory (default "+runsDir+"/TIME-SEED)")
	flags.StringVar(&o.junit, "junit", "", "`path` of a JUnit file to write besides")
	flags.IntVar(&o.parallel, "parallel", 0, "scenarios at a time (default: one for each CPU if simulated, else 1)")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "limit on one try of one scenario, by the wall clock")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "print every step of the progress")
	flags.BoolVar(&o.quiet, "quiet", false, "print no progress")
	flags.BoolVar(&o.noColor, "no-color", false, "print no colors (also NO_COLOR)")
	registerCompletion(command, "target", reference.Name, flink.Name)
	registerCompletion(command, "runtime", "simulated", "processes", flink.MiniclusterRuntime, flink.ContainersRuntime, flink.RunningRuntime)
	registerCompletion(command, "format", "human", "json", "jsonl")
	return command
}

func runScenarios(command *cobra.Command, o runOptions, arguments []string) error {
	if err := o.validate(); err != nil {
		return err
	}
	if o.runtime == flink.ContainersRuntime && o.heavy == nil {
		return handOver("--runtime " + flink.ContainersRuntime)
	}
	chosen, err := choose(arguments)
	if err != nil {
		return err
	}
	if o.junit != "" { // found out now, not when there is something to lose
		file, err := os.OpenFile(o.junit, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return harness.Usagef("--junit: %w", err)
		}
		_ = file.Close() // nothing was written
	}
	dir, err := claimRunDir(o)
	if err != nil {
		return err
	}
	progress := newProgress(command.ErrOrStderr(), o.verbose, o.quiet)
	under, err := newTarget(command.Context(), o, progress.say)
	if err != nil {
		unclaim(dir)
		return err
	}
	if o.reportDir == "" {
		if err := pointLatest(dir); err != nil {
			return err
		}
	}
	if len(arguments) == 0 {
		chosen = slices.DeleteFunc(chosen, func(s scenarios.Scenario) bool { return len(target.Unclaimed(under, s)) > 0 })
	}
	progress.line(fmt.Sprintf("snapback %s on %s; target %s; seed %d; %s; %s",
		version(), runtime.Version(), under.Describe(), o.seed, report.Scenarios(len(chosen)), dir))

	runner := run.Runner{
		Target: under, Seed: o.seed, Dir: dir, Parallel: o.parallelism(), Timeout: o.timeout, Progress: progress.scenario,
	}
	console := report.Console{Out: command.OutOrStdout(), Color: !o.noColor && os.Getenv("NO_COLOR") == "" && isTerminal(os.Stdout)}
	began := time.Now()
	results := runner.Run(command.Context(), chosen, func(r run.Result) {
		progress.done(func() {
			if o.format == "human" {
				console.Result(r)
			}
		})
	})
	finished := report.Run{Version: version(), Seed: o.seed, Results: results, Took: time.Since(began)}
	return finish(command, o, dir, finished)
}

// finish writes the reports and says how the run ended.
func finish(command *cobra.Command, o runOptions, dir string, finished report.Run) error {
	if err := report.Write(dir, finished); err != nil {
		return err
	}
	if o.junit != "" {
		if err := report.WriteJUnit(o.junit, finished); err != nil {
			return err
		}
	}
	out := command.OutOrStdout()
	last := out
	switch o.format {
	case "json":
		last = command.ErrOrStderr()
		document := struct {
			Schema  string       `json:"schema"`
			Results []run.Result `json:"results"`
		}{resultsSchema, finished.Results}
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(document); err != nil {
			return err
		}
	case "jsonl":
		last = command.ErrOrStderr()
		if err := report.JSONLines(out, finished); err != nil {
			return err
		}
	default:
		_, _ = fmt.Fprintf(out, "report: %s\n", filepath.Join(dir, report.HTMLName))
	}
	if _, err := fmt.Fprintln(last, finished.Done()); err != nil {
		return err
	}
	if verdict := finished.Verdict(); verdict != oracle.Pass {
		return &verdictError{verdict}
	}
	return nil
}

func (o runOptions) validate() error {
	known := map[string][]string{reference.Name: {"", "simulated", "processes"}, flink.Name: {"", "processes", flink.MiniclusterRuntime, flink.ContainersRuntime, flink.RunningRuntime}}
	runtimes, ok := known[o.target]
	switch {
	case !ok:
		return harness.Usagef("--target: want %s or %s, got %q", reference.Name, flink.Name, o.target)
	case !slices.Contains(runtimes, o.runtime):
		return harness.Usagef("--runtime: target %s has %s, got %q", o.target, strings.Join(runtimes[1:], " and "), o.runtime)
	case o.rest != "" && o.target != flink.Name:
		return harness.Usagef("--rest: only target %s has a REST API, got --target %s", flink.Name, o.target)
	case o.storage != "" && o.target != reference.Name:
		return harness.Usagef("--storage: target %s keeps checkpoints in the run directory, or where its own configuration says", o.target)
	case (o.runtime == flink.RunningRuntime) != (o.rest != "") && o.runtime != "":
		return harness.Usagef("--rest and --runtime %s go together", flink.RunningRuntime)
	case o.target != flink.Name && (o.versionGiven || o.flinkHome != ""):
		return harness.Usagef("--flink-version and --flink-home are for --target %s", flink.Name)
	case o.versionGiven && o.flinkHome != "":
		return harness.Usagef("--flink-version and --flink-home: give one of them")
	case o.image != "" && o.runtime != flink.ContainersRuntime:
		return harness.Usagef("--image is for --runtime %s", flink.ContainersRuntime)
	case o.rest != "" && o.parallel > 1:
		return harness.Usagef("--parallel: a running cluster takes one scenario at a time, got %d", o.parallel)
	case !slices.Contains([]string{"human", "json", "jsonl"}, o.format):
		return harness.Usagef("--format: want human, json or jsonl, got %q", o.format)
	case o.parallel < 0:
		return harness.Usagef("--parallel: want 1 or more, got %d", o.parallel)
	case o.timeout <= 0:
		return harness.Usagef("--timeout: want more than 0, got %s", o.timeout)
	}
	return nil
}

func (o runOptions) simulated() bool {
	return o.target == reference.Name && o.runtime != "processes"
}

func (o runOptions) parallelism() int {
	switch {
	case o.parallel > 0:
		return o.parallel
	case o.simulated():
		return runtime.NumCPU()
	default:
		return 1
	}
}

func newTarget(ctx context.Context, o runOptions, say func(string)) (target.Target, error) {
	switch {
	case o.rest != "":
		return flink.Connect(ctx, o.rest, say)
	case o.target == flink.Name:
		home := o.flinkHome
		if home == "" && !o.versionGiven {
			home = os.Getenv("FLINK_HOME")
		}
		target, err := flink.Provision(ctx, flink.Options{Version: o.flinkVersion, Home: home}, say)
		switch {
		case err != nil:
			return nil, err
		case o.runtime == flink.MiniclusterRuntime:
			return flink.Minicluster{Target: target}, nil
		case o.runtime == flink.ContainersRuntime:
			return target.At(o.heavy.Containers(cmp.Or(o.image, "flink:"+target.Describe().Version))), nil
		}
		return target, nil
	case o.simulated():
		return reference.Simulated{Storage: o.place}, nil
	default:
		binary, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return reference.Processes{Binary: binary, Storage: o.place}, nil
	}
}

// chooseOne returns the one scenario that the arguments name; the default, without any.
func chooseOne(command string, arguments []string, otherwise string) (scenarios.Scenario, error) {
	if len(arguments) == 0 {
		arguments = []string{otherwise}
	}
	chosen, err := choose(arguments)
	if err == nil && len(chosen) != 1 {
		err = harness.Usagef("%s: want one scenario, got %d", command, len(chosen))
	}
	if err != nil {
		return scenarios.Scenario{}, err
	}
	return chosen[0], nil
}

// choose returns the scenarios that the arguments name: all without any.
func choose(arguments []string) ([]scenarios.Scenario, error) {
	all, err := scenarios.Catalogue()
	if err != nil || len(arguments) == 0 {
		return all, err
	}
	var chosen []scenarios.Scenario
	var patterns []string
	for _, argument := range arguments {
		if !strings.HasSuffix(argument, ".yaml") && !strings.HasSuffix(argument, ".yml") {
			patterns = append(patterns, argument)
			continue
		}
		data, err := os.ReadFile(argument)
		if err != nil {
			return nil, harness.Usagef("scenario file: %w", err)
		}
		parsed, err := scenarios.Parse(argument, data)
		if err != nil {
			return nil, harness.Usagef("%w", err)
		}
		chosen = append(chosen, parsed...)
	}
	selected, err := scenarios.Select(all, patterns)
	if err != nil {
		return nil, harness.Usagef("%w", err)
	}
	chosen = append(chosen, selected...)
	for i, s := range chosen {
		if slices.ContainsFunc(chosen[:i], func(other scenarios.Scenario) bool { return other.Name == s.Name }) {
			return nil, harness.Usagef("there are two scenarios with the name %s; give one of them another", s.Name)
		}
	}
	return chosen, nil
}

// claimRunDir makes the directory of this run, and claims it by the file that the
// results will go to: no run writes where another has been.
func claimRunDir(o runOptions) (string, error) {
	dir := o.reportDir
	if dir == "" {
		dir = filepath.Join(runsDir, fmt.Sprintf("%s-%d", time.Now().Format("20060102T150405.000"), o.seed))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", harness.Usagef("run directory: %w; name another with --report", err)
	}
	claim, err := os.OpenFile(filepath.Join(dir, report.ResultsName), os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return "", harness.Usagef("--report: %s is of another run; name another directory", dir)
	}
	if err != nil {
		return "", harness.Usagef("run directory: %w; name another with --report", err)
	}
	return dir, claim.Close()
}

// unclaim takes back the claim on a run that never began.
func unclaim(dir string) {
	_ = os.Remove(filepath.Join(dir, report.ResultsName)) // what is left does no harm
	_ = os.Remove(dir)                                    // unless there was something before
}

// pointLatest makes latest a link to a run directory, in one step: other runs may
// do the same.
func pointLatest(dir string) error {
	link := dir + "." + latestLink
	if err := os.Symlink(filepath.Base(dir), link); err != nil {
		return err
	}
	return os.Rename(link, filepath.Join(runsDir, latestLink))
}

func completeScenarios(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	all, err := scenarios.Catalogue()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name+"\t"+s.Title)
	}
	return names, cobra.ShellCompDirectiveDefault // files too
}

func registerCompletion(command *cobra.Command, flag string, values ...string) {
	err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // there is no such flag: a mistake in this program
	}
}
