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

// shrinkMax is how many smaller scenarios are tried.
const shrinkMax = 400

func replayCommand() *cobra.Command {
	var minimize bool
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "replay [flags] FILE",
		Short: "Run a saved case again, exactly",
		Long: "Runs a case that crash or explore saved, and says whether it ends as it did: the same seed, faults,\n" +
			"schedule and state after a power loss. With --minimize it is made smaller first, and saved beside.",
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
				_, _ = fmt.Fprintln(command.ErrOrStderr(), "making it smaller")
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
	command.Flags().BoolVar(&minimize, "minimize", false, "make the case smaller first, for as long as it fails")
	command.Flags().DurationVar(&timeout, "timeout", time.Minute, "limit on one run, by the wall clock")
	return command
}

// simulatedOn is the simulated reference on a storage that the user names.
func simulatedOn(text string) (reference.Simulated, error) {
	place, err := reference.ParseStorage(text)
	if err != nil {
		return reference.Simulated{}, harness.Usagef("--storage: %w", err)
	}
	return reference.Simulated{Storage: place}, nil
}

// replay runs a case, and prints what it comes to. It is no pass that a case that failed
// does not fail any more: it is mended, or does not show what it did.
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
		_, _ = fmt.Fprintf(out, "      it was: %s\n", saved.Verdict)
		for _, f := range saved.Findings {
			_, _ = fmt.Fprintf(out, "      %s: %s\n", f.Requirement, f.Problem)
		}
	}
	return finish(command, runOptions{}, dir, report.Run{Version: version(), Seed: saved.Seed, Results: results, Took: time.Since(began)})
}

// shrink makes a case smaller.
func shrink(ctx context.Context, target target.Target, saved explore.Case, timeout time.Duration) explore.Case {
	campaign := explore.Campaign{Target: target, Timeout: timeout}
	saved.Scenario, saved.Seed = explore.Shrink(saved.Scenario, saved.Seed, shrinkMax, func(s scenarios.Scenario, seed uint64) bool {
		return ctx.Err() == nil && saved.SameFailure(campaign.RunOne(ctx, seed, s))
	})
	saved.Findings = campaign.RunOne(ctx, saved.Seed, saved.Scenario).Findings
	return saved
}

// save makes what failed smaller, saves it, and says how to run it again.
func save(ctx context.Context, out, progress io.Writer, target target.Target, failed explore.Case, dir string, timeout time.Duration) error {
	_, _ = fmt.Fprintln(progress, "making it smaller")
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
	_, _ = fmt.Fprintf(out, "again: snapback replay %s\n   or: SNAPBACK_CASE=%s go test ./harness/targets/reference -run TestCase\n", file, absolute)
	return nil
}

// failure makes a case of a result.
func failure(result run.Result, s scenarios.Scenario) explore.Case {
	return explore.Case{Seed: result.Seed, Storage: result.Target.Storage, Verdict: result.Verdict, Findings: result.Findings, Scenario: s}
}

// failing says whether a verdict is that of a case.
func failing(v oracle.Verdict) bool { return v == oracle.Fail || v == oracle.Error }
