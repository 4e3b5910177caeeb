package commandline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

func replayCommand() *cobra.Command {
	var minimize bool
	var timeout, shrinkFor time.Duration
	command := &cobra.Command{
		Use:   "replay [flags] FILE",
		Short: "Run a saved case again",
		Long: "Runs a saved case of the simulated reference exactly as it ran before: with the same seed, faults,\n" +
			"schedule and state after a power loss. If the result differs from the saved one, it prints both.\n\n" +
			"A case of Flink cannot be repeated exactly. The command runs it three times on the same version, and\n" +
			"says how often it failed in the same way.\n\n" +
			"With --minimize it first makes the case smaller, and saves the smaller case in the directory minimized\n" +
			"beside FILE.",
		Example: "  snapback replay snapback-runs/cases/crash-5.json\n  snapback replay --minimize snapback-runs/cases/crash-5.json",
		Args: func(command *cobra.Command, arguments []string) error {
			if len(arguments) != 1 {
				return harness.Usagef("replay: want one file, got %d; see: snapback replay --help", len(arguments))
			}
			return nil
		},
		RunE: func(command *cobra.Command, arguments []string) error {
			saved, err := explore.ReadCase(arguments[0])
			if err != nil {
				return err
			}
			if saved.Target != nil {
				return replayEngine(command, arguments[0], saved, minimize, timeout, shrinkFor)
			}
			target, err := simulatedOn(saved.Storage)
			if err != nil {
				return err
			}
			if minimize {
				_, _ = fmt.Fprintln(command.ErrOrStderr(), "making the case smaller")
				saved = shrink(command.Context(), target, saved, timeout)
				if err := saveSmaller(command, arguments[0], saved); err != nil {
					return err
				}
			}
			return replay(command, target, arguments[0], saved, timeout)
		},
	}
	command.Flags().BoolVar(&minimize, "minimize", false, "make the case smaller before it runs, as long as it still fails")
	command.Flags().DurationVar(&timeout, "timeout", 3*time.Minute, "wall-clock limit for one run")
	command.Flags().DurationVar(&shrinkFor, "shrink-for", 10*time.Minute, "with --minimize, how long to make a case of Flink smaller")
	return command
}

// saveSmaller saves a case that was made smaller, in the directory minimized beside the given file.
func saveSmaller(command *cobra.Command, file string, smaller explore.Case) error {
	name, err := smaller.Write(filepath.Join(filepath.Dir(file), "minimized"))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(command.ErrOrStderr(), "saved", name)
	return nil
}

// replayEngine runs a case of a real engine several times, and says how often it failed.
func replayEngine(command *cobra.Command, file string, saved explore.Case, minimize bool, timeout, shrinkFor time.Duration) (err error) {
	options := runOptions{target: saved.Target.Name, runtime: saved.Target.Runtime, flinkVersions: []string{saved.Target.Versions()}, versionGiven: true, seed: saved.Seed}
	dir, err := claimRunDir(options)
	if err != nil {
		return err
	}
	progress := newProgress(command.ErrOrStderr(), true, false)
	engine, closeEngine, err := newEngine(command.Context(), options, dir, progress.line)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEngine()) }()
	campaign := explore.Campaign{Target: engine, Timeout: timeout, Dir: filepath.Join(dir, "runs")}
	if minimize {
		progress.line("making the case smaller")
		saved = campaign.Smallest(command.Context(), saved, shrinkFor)
		if err := saveSmaller(command, file, saved); err != nil {
			return err
		}
	}
	return replayTimes(command, campaign, file, saved)
}

// replayTimes runs a case, and prints each result and how often the case failed as before.
func replayTimes(command *cobra.Command, campaign explore.Campaign, file string, saved explore.Case) error {
	out := command.OutOrStdout()
	console := report.Console{Out: out, Color: isTerminal(os.Stdout)}
	rate := explore.Rate{Runs: explore.Confirmations}
	worst := []oracle.Verdict{}
	for range rate.Runs {
		result := campaign.RunOne(command.Context(), saved.Seed, saved.Scenario)
		if command.Context().Err() != nil {
			return nil
		}
		result.Case = file
		console.Result(result)
		worst = append(worst, result.Verdict)
		if saved.SameFailure(result) {
			rate.Failed++
		}
	}
	before := ""
	if saved.Rate != nil {
		before = fmt.Sprintf("; when it was saved, in %s", saved.Rate)
	}
	_, _ = fmt.Fprintf(out, "A run of %s cannot be repeated exactly: the case failed as saved in %s runs%s.\n", campaign.Target.Describe(), rate, before)
	if verdict := oracle.Worst(worst); verdict != oracle.Pass {
		return &verdictError{verdict}
	}
	return nil
}

// simulatedOn returns the simulated reference with the storage that the flag --storage names.
func simulatedOn(text string) (reference.Simulated, error) {
	place, err := reference.ParseStorage(text)
	if err != nil {
		return reference.Simulated{}, harness.Usagef("--storage: %w", err)
	}
	return reference.Simulated{Storage: place}, nil
}

// replay runs a case and prints its result. If the result differs from the saved result, replay
// prints both results. A difference means that the mistake is fixed, or that the case no longer
// shows the mistake.
func replay(command *cobra.Command, target target.Target, file string, saved explore.Case, timeout time.Duration) error {
	dir, err := claimRunDir(runOptions{seed: saved.Seed})
	if err != nil {
		return err
	}
	runner := run.Runner{Target: target, Seed: saved.Seed, Dir: dir, Timeout: timeout, Tries: 1}
	began := time.Now()
	results := runner.Run(command.Context(), []scenarios.Scenario{saved.Scenario}, func(run.Result) {})
	results[0].Case = file
	out := command.OutOrStdout()
	report.Console{Out: out, Color: isTerminal(os.Stdout)}.Result(results[0])
	if !saved.SameFailure(results[0]) {
		_, _ = fmt.Fprintf(out, "      saved result: %s\n", saved.Verdict)
		for _, f := range saved.Findings {
			_, _ = fmt.Fprintf(out, "      %s: %s\n", f.Requirement, f.Problem)
		}
	}
	return conclude(command, runOptions{}, dir, report.Run{Version: version(), Seed: saved.Seed, Results: results, Took: time.Since(began)})
}

// shrink searches for the smallest case that fails in the same way.
func shrink(ctx context.Context, target target.Target, saved explore.Case, timeout time.Duration) explore.Case {
	campaign := explore.Campaign{Target: target, Timeout: timeout}
	saved = campaign.Minimize(ctx, saved, 0)
	saved.Findings = campaign.RunOne(ctx, saved.Seed, saved.Scenario).Findings
	return saved
}

// save makes a failed case smaller, saves it, and prints the commands that run it again.
func save(ctx context.Context, out, progress io.Writer, target target.Target, failed explore.Case, dir string, timeout time.Duration) error {
	_, _ = fmt.Fprintln(progress, "making the case smaller")
	smallest := shrink(ctx, target, failed, timeout)
	file, err := smallest.Write(dir)
	if err != nil {
		return err
	}
	for _, f := range smallest.Findings {
		_, _ = fmt.Fprintf(out, "%s: %s\n  expected: %s\n  found:    %s\n", f.Requirement, f.Problem, f.Expected, f.Found)
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "replay: snapback replay %s\n    or: SNAPBACK_CASE=%s go test ./harness/targets/reference -run TestCase\n", file, absolute)
	return nil
}

// failure makes a case from a failed run.
func failure(result run.Result, s scenarios.Scenario) explore.Case {
	return explore.Case{Seed: result.Seed, Storage: result.Target.Storage, Verdict: result.Verdict, Findings: result.Findings, Scenario: s}
}

// failing says whether a run with this verdict must be saved as a case.
func failing(v oracle.Verdict) bool { return v == oracle.Fail || v == oracle.Error }
