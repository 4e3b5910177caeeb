// Command mutants plants real bugs in the reference, one at a time, and measures how the suites
// find them. It needs Snapback's source and Go:
//
//	go run ./suites/power/mutants
//
// This file holds the flags and the exit codes. Package power does the work.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/suites/power"
)

// The exit codes have the same meaning as the exit codes of snapback.
const (
	exitAsExpected = 0
	exitUnexpected = 1 // a mutant survived, there was a false alarm, or a replayed case failed
	exitUsage      = 2
	exitInternal   = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := exit(command().ExecuteContext(ctx))
	stop()
	os.Exit(code)
}

// errUnexpected ends the program. The program has already printed the unexpected result.
var errUnexpected = errors.New("unexpected result")

// exit returns the exit code for an error. It prints the error, unless the error was printed
// before.
func exit(err error) int {
	var usage *harness.UsageError
	var replayed *exec.ExitError
	switch {
	case err == nil:
		return exitAsExpected
	case errors.Is(err, errUnexpected):
		return exitUnexpected
	case errors.As(err, &replayed):
		return replayed.ExitCode()
	}
	_, _ = fmt.Fprintln(os.Stderr, "mutants:", err)
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitInternal
}

type options struct {
	dir, source string
	list        bool
	refresh     bool
	unaided     bool
	compare     bool
	clean       int
	replay      string
	minimize    bool
	seed        uint64
	runs        int
	parallel    int
	cases       string
	report      string
	markdown    string
	format      string
	quiet       bool
}

func command() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "mutants [flags] [ID...]",
		Short: "Plant real bugs in the reference, and time how the suites find them",
		Long: "Builds the reference with one mistake at a time that somebody once made, runs the suites on it until the\n" +
			"first finding, makes that smaller, and prints the kill matrix. A mistake that nothing finds is a hole in\n" +
			"the suites. The command needs Snapback's source and Go.",
		Example: "  go run ./suites/power/mutants\n" +
			"  go run ./suites/power/mutants FLINK-21351 FLINK-36421\n" +
			"  go run ./suites/power/mutants --compare --report power\n" +
			"  go run ./suites/power/mutants --clean 10000\n" +
			"  go run ./suites/power/mutants --dir my-mutants --format json\n" +
			"  go run ./suites/power/mutants --replay snapback-runs/mutants/FLINK-21351.json FLINK-21351",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(command *cobra.Command, ids []string) error { return run(command, o, ids) },
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return harness.Usagef("%w; see: --help", err) })
	flags := command.Flags()
	flags.StringVar(&o.dir, "dir", "", "`path` of the directory of mutants (default: reference/mutants of the source)")
	flags.StringVar(&o.source, "source", ".", "`path` of a clone of Snapback, or of a directory in it")
	flags.BoolVar(&o.list, "list", false, "list the mutants, and build none")
	flags.BoolVar(&o.refresh, "refresh", false, "rewrite the diffs for the code as it is now, and build none")
	flags.BoolVar(&o.unaided, "unaided", false, "hunt each mutant a second time, without the scenarios of the catalogue")
	flags.BoolVar(&o.compare, "compare", false, "the same, and compare with two other strategies: kills at random moments, and scenarios drawn by rapid")
	flags.IntVar(&o.clean, "clean", 0, "plant no mistake, and run the suites for this number of `runs`: each finding is a false alarm")
	flags.StringVar(&o.replay, "replay", "", "`path` of a saved case: run it again on the reference with the given mutant")
	flags.BoolVar(&o.minimize, "minimize", false, "with --replay: make the case smaller before it runs, as long as it still fails")
	flags.Uint64Var(&o.seed, "seed", 1, "the first seed of all random choices")
	flags.IntVar(&o.runs, "runs", 1000, "number of runs without a finding after which a mutant has survived")
	flags.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "number of mutants to hunt at a time")
	flags.StringVar(&o.cases, "cases", filepath.Join("snapback-runs", "mutants"), "`path` of the directory for the smallest cases")
	flags.StringVar(&o.report, "report", "", "`path` of the directory for a page with the matrix and plots")
	flags.StringVar(&o.markdown, "markdown", "", "`path` of the file for the matrix as a page of the manual, such as docs/power.md")
	flags.StringVar(&o.format, "format", "human", "human or json")
	flags.BoolVar(&o.quiet, "quiet", false, "print no progress")
	return command
}

func (o options) validate(ids []string) error {
	if o.runs < 1 || o.parallel < 1 || o.clean < 0 {
		return harness.Usagef("--runs, --parallel and --clean: want at least 1, 1 and 0, got %d, %d and %d", o.runs, o.parallel, o.clean)
	}
	if o.format != "human" && o.format != "json" {
		return harness.Usagef("--format: want human or json, got %q", o.format)
	}
	if o.replay != "" && len(ids) != 1 {
		return harness.Usagef("--replay: want one mutant, got %d", len(ids))
	}
	return nil
}

func run(command *cobra.Command, o options, ids []string) (err error) {
	if err := o.validate(ids); err != nil {
		return err
	}
	source, err := power.FindSource(o.source)
	if err != nil {
		return err
	}
	museum := power.Museum(source)
	if o.dir == "" {
		o.dir = museum
	}
	all, err := power.Read(o.dir)
	if err != nil {
		return err
	}
	chosen, err := power.Select(all, ids)
	if err != nil {
		return err
	}
	if o.list {
		return list(command.OutOrStdout(), chosen)
	}
	if o.refresh {
		return refresh(command.OutOrStdout(), source, chosen)
	}
	built, err := os.MkdirTemp("", "snapback-mutants-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(built)) }()
	progress := command.ErrOrStderr()
	if o.quiet {
		progress = io.Discard
	}
	workshop := power.Workshop{Source: source, Dir: built}
	if o.replay != "" {
		_, _ = fmt.Fprintf(progress, "building mutant %s\n", chosen[0].ID)
		return replay(command, o, workshop, chosen[0])
	}
	campaign := power.Campaign{
		Workshop: workshop, Cases: o.cases,
		Seed: o.seed, RunsMax: o.runs, Parallel: o.parallel, Strategies: power.Strategies()[:1],
		Progress: func(what string) { _, _ = fmt.Fprintln(progress, what) },
	}
	if o.unaided {
		campaign.Strategies = power.Own()
	}
	if o.compare {
		campaign.Strategies = power.Strategies()
	}
	if o.clean > 0 {
		return runClean(command, campaign, o)
	}
	canaries, err := power.Read(museum)
	if err != nil {
		return err
	}
	if canaries, err = power.Select(canaries, []string{power.Canary}); err != nil {
		return err
	}
	matrix, err := campaign.Run(command.Context(), canaries[0], chosen)
	if matrix.Clean == 0 {
		return err // there is no result
	}
	if printed := printMatrix(command.OutOrStdout(), o, matrix); err == nil {
		return printed
	}
	return err // the matrix shows the mutants without a result
}

func list(out io.Writer, all []power.Mutant) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range all {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", m.ID, m.Symptom, m.Requirements) // the call of Flush returns the error
	}
	return table.Flush()
}

// refresh rewrites the diffs of mutants, and prints the ids of the mutants that changed.
func refresh(out io.Writer, source string, all []power.Mutant) error {
	changed, err := power.Refresh(source, all)
	for _, id := range changed {
		_, _ = fmt.Fprintln(out, "rewritten:", id) // if this fails, the next print also fails
	}
	_, printed := fmt.Fprintf(out, "DONE %d mutants, %d rewritten\n", len(all), len(changed))
	return errors.Join(err, printed)
}

// runClean runs the suites on the reference without a mutant. Each finding is a false alarm.
func runClean(command *cobra.Command, campaign power.Campaign, o options) error {
	began := time.Now()
	hunted, err := campaign.HuntClean(command.Context(), o.clean)
	if err != nil {
		return err
	}
	if hunted.Found {
		file, err := hunted.Cases[len(hunted.Cases)-1].Write(o.cases)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(command.OutOrStdout(), "FALSE ALARM %s: %s\nreplay: snapback replay %s\n", hunted.Finding.Requirement, hunted.Finding.Problem, file)
		return errUnexpected
	}
	_, _ = fmt.Fprintf(command.OutOrStdout(), "DONE %d clean runs, no finding, in %.0fs (seeds from %d)\n", hunted.Runs, time.Since(began).Seconds(), o.seed)
	return nil
}

func printMatrix(out io.Writer, o options, matrix power.Matrix) error {
	var err error
	if o.format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(matrix)
	} else {
		err = power.Draw(out, matrix)
	}
	if o.markdown != "" && err == nil {
		err = writeFile(o.markdown, func(w io.Writer) error { return power.Markdown(w, matrix) })
	}
	if o.report != "" && err == nil {
		if err = os.MkdirAll(o.report, 0o755); err == nil {
			err = writeFile(filepath.Join(o.report, "power.html"), func(w io.Writer) error { return power.HTML(w, matrix) })
		}
	}
	if err != nil {
		return err
	}
	if len(matrix.Wrong()) > 0 {
		return errUnexpected
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// replay builds snapback with a mutant in it. Then it runs this program, which replays a case. The
// exit code is the exit code of this program.
func replay(command *cobra.Command, o options, workshop power.Workshop, m power.Mutant) error {
	program, err := workshop.Build(command.Context(), power.Snapback, "snapback", &m)
	if err != nil {
		return err
	}
	again := exec.CommandContext(command.Context(), program, "replay", fmt.Sprintf("--minimize=%v", o.minimize), o.replay)
	again.Stdout, again.Stderr = command.OutOrStdout(), command.ErrOrStderr()
	return again.Run()
}
