package commandline

import (
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
	"github.com/snapback/snapback/harness/expected"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

// runsDir is the directory for runs, unless the user names another one. The name latestLink is a
// link in this directory to the latest run. In the directory of a run, jvmsDir holds the files of
// JVMs that serve several scenarios.
const (
	runsDir    = "snapback-runs"
	latestLink = "latest"
	jvmsDir    = "jvms"
)

type runOptions struct {
	heavy                    *Heavy // nil in the program snapback
	target, runtime          string
	flinkVersion, flinkHome  string
	flinkVersions            []string // of --flink-version, which may name several
	image                    string
	versionGiven             bool
	rest                     string
	storage                  string
	place                    reference.Storage // the value of the field storage, parsed
	expected                 string
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
		Short: "Run scenarios on a target, and judge the results",
		Long: "Runs scenarios on a target, and judges the results. SCENARIO is a name, a pattern or a file. In a\n" +
			"pattern, * matches within one part of a name, and ** matches across parts. Without a SCENARIO, it\n" +
			"runs all scenarios whose features the target claims.",
		Example: "  snapback run recovery/kill-taskmanager-mid-checkpoint\n" +
			"  snapback run --runtime processes 'cleanup/**'\n" +
			"  snapback run --runtime processes --storage s3://bucket/checkpoints recovery\n" +
			"  snapback run --target flink --flink-version 1.20.5 recovery\n" +
			"  snapback run --target flink --flink-version 1.18.1,2.3.0 --expected flink recovery\n" +
			"  snapback run --target flink --runtime minicluster --flink-version 1.20.5:2.3.0 upgrade\n" +
			"  snapback run --target flink --rest http://localhost:8081 cleanup",
		ValidArgsFunction: completeScenarios,
		RunE: func(command *cobra.Command, arguments []string) error {
			if !command.Flags().Changed("seed") {
				o.seed = rand.Uint64N(1e6)
			}
			o.versionGiven = command.Flags().Changed("flink-version")
			var err error
			if o.target == reference.Name {
				if o.place, err = reference.ParseStorage(o.storage); err != nil {
					return harness.Usagef("--storage: %w", err)
				}
			}
			return runScenarios(command, o, arguments)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.target, "target", reference.Name, "what to test: reference or flink")
	flags.StringVar(&o.runtime, "runtime", "", "how the target runs: simulated (reference only), processes, minicluster (flink in one JVM), containers (flink in Docker), or running (flink only, with --rest); default: the first of these that the target has")
	flags.StringSliceVar(&o.flinkVersions, "flink-version", []string{flink.DefaultVersion}, "`versions` of Apache Flink to install and test; several versions, such as 1.18.1,2.3.0, are compared side by side; OLD:NEW, such as 1.18.1:2.3.0, tests OLD, and scenarios can upgrade to NEW")
	flags.StringVar(&o.flinkHome, "flink-home", "", "`path` of an installed Apache Flink to test instead (default: $FLINK_HOME, unless --flink-version is given)")
	flags.StringVar(&o.image, "image", "", "Docker `image` of Flink for --runtime containers (default flink:VERSION)")
	flags.StringVar(&o.rest, "rest", "", "`URL` of the REST API of a running Flink cluster, such as http://localhost:8081")
	flags.StringVar(&o.storage, "storage", "", "where checkpoints are kept: a `URL` (s3, hdfs; for the reference also file, gs, azblob), or jobmanager for the reference; the simulated reference only imitates this storage in memory (default: the run directory)")
	flags.StringVar(&o.expected, "expected", "", "`path` of a list of expected failures, or flink for the list that comes with Snapback; an expected failure must fail")
	flags.Uint64Var(&o.seed, "seed", 0, "number that decides all random choices (default: a random number, which is printed)")
	flags.StringVar(&o.format, "format", "human", "format of the results on stdout: human, json or jsonl")
	flags.StringVar(&o.reportDir, "report", "", "`path` of the run directory (default "+runsDir+"/TIME-SEED)")
	flags.StringVar(&o.junit, "junit", "", "`path` of a JUnit file to write, besides the one in the run directory")
	flags.IntVar(&o.parallel, "parallel", 0, "number of scenarios to run at a time (default: the number of CPUs if simulated, else 1)")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "wall-clock limit for one try of a scenario")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "print every step")
	flags.BoolVar(&o.quiet, "quiet", false, "print no progress")
	flags.BoolVar(&o.noColor, "no-color", false, "print no colors; the variable NO_COLOR does the same")
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
	known, err := readExpected(o.expected)
	if err != nil {
		return err
	}
	if o.junit != "" { // if the file cannot be written, the command must fail before the run
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
	targets, err := newTargets(command.Context(), o, progress.say)
	if err != nil {
		unclaim(dir)
		return err
	}
	if o.reportDir == "" {
		if err := pointLatest(dir); err != nil {
			return err
		}
	}
	ended := report.Run{Version: version(), Seed: o.seed}
	began := time.Now()
	for _, under := range targets {
		runner := run.Runner{
			Target: under, Seed: o.seed, Dir: dir, Parallel: o.parallelism(), Timeout: o.timeout, Progress: progress.scenario, Expected: known,
		}
		if len(targets) > 1 {
			runner.Dir = filepath.Join(dir, strings.ReplaceAll(under.Describe().Versions(), ":", "-"))
		}
		here := chosen
		if len(arguments) == 0 {
			here = claimed(under, chosen)
		}
		var end func() error
		if runner.Target, end, err = pooled(under, filepath.Join(runner.Dir, jvmsDir)); err != nil {
			return err
		}
		ended.Results = append(ended.Results, runOn(command, o, runner, here, progress)...)
		if err := end(); err != nil {
			return err
		}
	}
	ended.Took = time.Since(began)
	return conclude(command, o, dir, ended)
}

// claimed returns the scenarios that a target can run.
func claimed(under target.Target, all []scenarios.Scenario) []scenarios.Scenario {
	return slices.DeleteFunc(slices.Clone(all), func(s scenarios.Scenario) bool { return len(target.Unclaimed(under, s)) > 0 })
}

// runOn runs scenarios on one target, and prints each result.
func runOn(command *cobra.Command, o runOptions, runner run.Runner, chosen []scenarios.Scenario, progress *progress) []run.Result {
	progress.line(fmt.Sprintf("snapback %s on %s; target %s; seed %d; %s; %s",
		version(), runtime.Version(), runner.Target.Describe(), o.seed, report.Count(len(chosen), "scenario"), runner.Dir))
	if o.expected != "" {
		names := func(f expected.Failure) bool {
			return slices.ContainsFunc(chosen, func(s scenarios.Scenario) bool { return len(expected.List{f}.Of(s.Name, runner.Target.Describe())) > 0 })
		}
		others := slices.DeleteFunc(slices.Clone(runner.Expected), names)
		progress.line(fmt.Sprintf("expected failures: %d of %d in %s concern this run", len(runner.Expected)-len(others), len(runner.Expected), o.expected))
	}
	console := report.Console{Out: command.OutOrStdout(), Color: !o.noColor && os.Getenv("NO_COLOR") == "" && isTerminal(os.Stdout)}
	return runner.Run(command.Context(), chosen, func(r run.Result) {
		progress.done(func() {
			if o.format == "human" {
				console.Result(r)
			}
		})
	})
}

// readExpected reads the list of expected failures that the flag --expected names.
func readExpected(name string) (expected.List, error) {
	switch name {
	case "":
		return nil, nil
	case flink.Name:
		return expected.Flink()
	}
	known, err := expected.Read(name)
	if err != nil {
		return nil, harness.Usagef("--expected: %w", err)
	}
	return known, nil
}

// conclude writes the reports and prints the last line of the output.
func conclude(command *cobra.Command, o runOptions, dir string, ended report.Run) error {
	if err := report.Write(dir, ended); err != nil {
		return err
	}
	if o.junit != "" {
		if err := report.WriteJUnit(o.junit, ended); err != nil {
			return err
		}
	}
	out := command.OutOrStdout()
	last := out
	switch o.format {
	case "json":
		last = command.ErrOrStderr()
		document := struct {
			Schema     string             `json:"schema"`
			Comparison *report.Comparison `json:"comparison,omitempty"` // only if several versions ran
			Results    []run.Result       `json:"results"`
		}{resultsSchema, report.Compare(ended), ended.Results}
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(document); err != nil {
			return err
		}
	case "jsonl":
		last = command.ErrOrStderr()
		if err := report.JSONLines(out, ended); err != nil {
			return err
		}
	default:
		if compared := report.Compare(ended); compared != nil {
			if err := compared.Write(out); err != nil {
				return err
			}
		}
		_, _ = fmt.Fprintf(out, "report: %s\n", filepath.Join(dir, report.HTMLName))
	}
	if _, err := fmt.Fprintln(last, ended.Done()); err != nil {
		return err
	}
	if verdict := ended.Verdict(); verdict != oracle.Pass {
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
		return harness.Usagef("--runtime: want one of %s for target %s, got %q", strings.Join(runtimes[1:], ", "), o.target, o.runtime)
	case o.rest != "" && o.target != flink.Name:
		return harness.Usagef("--rest: only target %s has a REST API, got --target %s", flink.Name, o.target)
	case o.storage != "" && (o.rest != "" || o.runtime == flink.ContainersRuntime):
		return harness.Usagef("--storage: want it only with --runtime processes or %s for target %s", flink.MiniclusterRuntime, flink.Name)
	case (o.runtime == flink.RunningRuntime) != (o.rest != "") && o.runtime != "":
		return harness.Usagef("--rest and --runtime %s: want both or neither", flink.RunningRuntime)
	case o.target != flink.Name && (o.versionGiven || o.flinkHome != ""):
		return harness.Usagef("--flink-version and --flink-home: want them only with --target %s", flink.Name)
	case o.versionGiven && o.flinkHome != "":
		return harness.Usagef("--flink-version and --flink-home: want at most one of these flags")
	case o.image != "" && o.runtime != flink.ContainersRuntime:
		return harness.Usagef("--image: want it only with --runtime %s", flink.ContainersRuntime)
	case o.rest != "" && o.parallel > 1:
		return harness.Usagef("--parallel: want 1, because a running cluster runs one scenario at a time, got %d", o.parallel)
	case !slices.Contains([]string{"human", "json", "jsonl"}, o.format):
		return harness.Usagef("--format: want human, json or jsonl, got %q", o.format)
	case o.parallel < 0:
		return harness.Usagef("--parallel: want 1 or more, got %d", o.parallel)
	case o.timeout <= 0:
		return harness.Usagef("--timeout: want more than 0, got %s", o.timeout)
	}
	return o.checkVersions()
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

// chooseOne returns the one scenario that the arguments name. Without arguments it returns the
// scenario with the given default name.
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

// choose returns the scenarios that the arguments name. Without arguments it returns all scenarios.
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
			return nil, harness.Usagef("two scenarios have the name %s: rename one of them", s.Name)
		}
	}
	return chosen, nil
}

// claimRunDir creates the directory of this run, and in it the results file. It fails if the
// results file already exists. So a run never writes into the directory of another run.
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
		return "", harness.Usagef("--report: %s holds another run: name another directory", dir)
	}
	if err != nil {
		return "", harness.Usagef("run directory: %w; name another with --report", err)
	}
	return dir, claim.Close()
}

// unclaim releases the directory of a run that did not begin. Then another run can claim the
// directory.
func unclaim(dir string) {
	_ = os.Remove(filepath.Join(dir, report.ResultsName)) // if this fails, a file stays, which does no harm
	_ = os.Remove(dir)                                    // this fails if the directory holds other files
}

// pointLatest changes the link named latest, so that the link leads to a run directory. It creates
// a new link and renames it to latest, because other runs may do the same at this moment.
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
	return names, cobra.ShellCompDirectiveDefault // the shell also completes file names
}

func registerCompletion(command *cobra.Command, flag string, values ...string) {
	err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // a bug in this program: the flag does not exist
	}
}
