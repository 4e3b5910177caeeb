package commandline

import (
	"context"
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

// shrinkMax is the greatest number of smaller scenarios that are tried for a case.
const shrinkMax = 400

func replayCommand() *cobra.Command {
	var minimize bool
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "replay [flags] FILE",
		Short: "Run a saved case again, exactly as it ran before",
		Long: "Runs a saved case with the same seed, faults, schedule and state after a power loss. If the result\n" +
			"differs from the saved one, it prints both. With --minimize it first makes the case smaller, and\n" +
			"saves the smaller case in the directory minimized beside FILE.",
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
			target, err := simulatedOn(saved.Storage)
			if err != nil {
				return err
			}
			if minimize {
				_, _ = fmt.Fprintln(command.ErrOrStderr(), "making the case smaller")
				saved = shrink(command.Context(), target, saved, timeout)
				name, err := saved.Write(filepath.Join(filepath.Dir(arguments[0]), "minimized"))
				if err != nil {
					return err
				}
				_, _ = fmt.Fprintln(command.ErrOrStderr(), "saved", name)
			}
			return replay(command, target, saved, timeout)
		},
	}
	command.Flags().BoolVar(&minimize, "minimize", false, "make the case smaller before it runs, as long as it still fails")
	command.Flags().DurationVar(&timeout, "timeout", time.Minute, "wall-clock limit for one run")
	return command
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
func replay(command *cobra.Command, target target.Target, saved explore.Case, timeout time.Duration) error {
	dir, err := claimRunDir(runOptions{seed: saved.Seed})
	if err != nil {
		return err
	}
	runner := run.Runner{Target: target, Seed: saved.Seed, Dir: dir, Timeout: timeout, Tries: 1}
	began := time.Now()
	results := runner.Run(command.Context(), []scenarios.Scenario{saved.Scenario}, func(run.Result) {})
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
	saved.Scenario, saved.Seed = explore.Shrink(saved.Scenario, saved.Seed, shrinkMax, func(s scenarios.Scenario, seed uint64) bool {
		return ctx.Err() == nil && saved.SameFailure(campaign.RunOne(ctx, seed, s))
	})
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
