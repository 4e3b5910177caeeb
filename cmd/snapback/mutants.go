package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/mutants"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/report"
)

type mutantsOptions struct {
	dir, source string
	list        bool
	compare     bool
	clean       int
	seed        uint64
	runs        int
	parallel    int
	cases       string
	report      string
	markdown    string
	format      string
	quiet       bool
}

func mutantsCommand() *cobra.Command {
	var o mutantsOptions
	command := &cobra.Command{
		Use:   "mutants [flags] [ID...]",
		Short: "Plant real bugs in the reference, and time how the suites find them",
		Long: "Builds the reference with one mistake at a time that somebody once made, runs the suites on it until the\n" +
			"first finding, makes that smaller, and prints the kill matrix. A mistake that nothing finds is a hole in\n" +
			"the suites. It takes Snapback's source, Go and git.",
		Example: "  snapback mutants\n" +
			"  snapback mutants FLINK-21351 FLINK-36421\n" +
			"  snapback mutants --compare --report power\n" +
			"  snapback mutants --clean 10000\n" +
			"  snapback mutants --dir my-mutants --format json",
		RunE: func(command *cobra.Command, ids []string) error { return runMutants(command, o, ids) },
	}
	flags := command.Flags()
	flags.StringVar(&o.dir, "dir", "", "`path` of the directory of diffs (default: reference/mutants of the source)")
	flags.StringVar(&o.source, "source", ".", "`path` of a clone of Snapback, or in one")
	flags.BoolVar(&o.list, "list", false, "print the mutants, and build none")
	flags.BoolVar(&o.compare, "compare", false, "hunt also with uniformly random kills, and with rapid alone")
	flags.IntVar(&o.clean, "clean", 0, "plant nothing, and run the suites so many `runs`: what they find is a false alarm")
	flags.Uint64Var(&o.seed, "seed", 1, "the first seed of what is left to chance")
	flags.IntVar(&o.runs, "runs", 1000, "how many runs without a finding make a mutant one that survived")
	flags.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "mutants at a time")
	flags.StringVar(&o.cases, "cases", filepath.Join(runsDir, "mutants"), "`path` of a directory for the minimised cases")
	flags.StringVar(&o.report, "report", "", "`path` of a directory for a page with the matrix and plots")
	flags.StringVar(&o.markdown, "markdown", "", "`path` of a file for the matrix, as docs/power.md is")
	flags.StringVar(&o.format, "format", "human", "human or json")
	flags.BoolVar(&o.quiet, "quiet", false, "print no progress")
	registerCompletion(command, "format", "human", "json")
	return command
}

func simulatedTarget(storage string) (harness.Target, error) { return simulatedOn(storage) }

func (o mutantsOptions) validate() error {
	if o.runs < 1 || o.parallel < 1 || o.clean < 0 {
		return harness.Usagef("--runs, --parallel and --clean: want 1, 1, 0 or more, got %d, %d, %d", o.runs, o.parallel, o.clean)
	}
	return checkFormat(o.format)
}

func runMutants(command *cobra.Command, o mutantsOptions, ids []string) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	source, err := mutants.FindSource(o.source)
	if err != nil {
		return err
	}
	museum := mutants.Museum(source)
	if o.dir == "" {
		o.dir = museum
	}
	all, err := mutants.Read(o.dir)
	if err != nil {
		return err
	}
	chosen, err := mutants.Select(all, ids)
	if err != nil {
		return err
	}
	if o.list {
		return listMutants(command.OutOrStdout(), chosen)
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
	campaign := mutants.Campaign{
		Workshop: mutants.Workshop{Source: source, Dir: built}, Clean: simulatedTarget, Cases: o.cases,
		Seed: o.seed, RunsMax: o.runs, Parallel: o.parallel, Strategies: mutants.Strategies()[:1],
		Progress: func(what string) { _, _ = fmt.Fprintln(progress, what) },
	}
	if o.compare {
		campaign.Strategies = mutants.Strategies()
	}
	if o.clean > 0 {
		return runClean(command, campaign, o)
	}
	canaries, err := mutants.Read(museum)
	if err != nil {
		return err
	}
	if canaries, err = mutants.Select(canaries, []string{mutants.Canary}); err != nil {
		return err
	}
	matrix, err := campaign.Run(command.Context(), canaries[0], chosen)
	if err != nil {
		return err
	}
	return printMatrix(command, o, matrix)
}

func listMutants(out io.Writer, all []mutants.Mutant) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range all {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", m.ID, m.Symptom, m.Requirements) // Flush reports errors
	}
	return table.Flush()
}

// runClean looks for false alarms.
func runClean(command *cobra.Command, campaign mutants.Campaign, o mutantsOptions) error {
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
		_, _ = fmt.Fprintf(command.OutOrStdout(), "FALSE ALARM %s: %s\nagain: snapback replay %s\n", hunted.Finding.Requirement, hunted.Finding.Problem, file)
		return &verdictError{oracle.Fail}
	}
	_, _ = fmt.Fprintf(command.OutOrStdout(), "DONE %d clean runs, no finding, in %.0fs (seeds from %d)\n", hunted.Runs, time.Since(began).Seconds(), o.seed)
	return nil
}

func printMatrix(command *cobra.Command, o mutantsOptions, matrix mutants.Matrix) error {
	out := command.OutOrStdout()
	var err error
	if o.format == "json" {
		err = writeJSON(out, matrix)
	} else {
		err = report.Power(out, matrix)
	}
	if o.markdown != "" && err == nil {
		err = writeFile(o.markdown, func(w io.Writer) error { return report.PowerMarkdown(w, matrix) })
	}
	if o.report != "" && err == nil {
		if err = os.MkdirAll(o.report, 0o755); err == nil {
			err = writeFile(filepath.Join(o.report, "power.html"), func(w io.Writer) error { return report.PowerHTML(w, matrix) })
		}
	}
	if err != nil {
		return err
	}
	if len(matrix.Wrong()) > 0 {
		return &verdictError{oracle.Fail}
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

// replayMutant runs a case on the reference with a mutant in it.
func replayMutant(command *cobra.Command, id, source string, arguments []string) error {
	ctx := command.Context()
	root, err := mutants.FindSource(source)
	if err != nil {
		return err
	}
	all, err := mutants.Read(mutants.Museum(root))
	if err != nil {
		return err
	}
	chosen, err := mutants.Select(all, []string{id})
	if err != nil {
		return err
	}
	built, err := os.MkdirTemp("", "snapback-mutant-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(built) }() // nothing in it is of use
	_, _ = fmt.Fprintf(command.ErrOrStderr(), "building mutant %s\n", id)
	program, err := mutants.Workshop{Source: root, Dir: built}.Build(ctx, "./cmd/snapback", "snapback", &chosen[0])
	if err != nil {
		return err
	}
	again := exec.CommandContext(ctx, program, append([]string{"replay"}, arguments...)...)
	again.Stdout, again.Stderr = command.OutOrStdout(), command.ErrOrStderr()
	var exit *exec.ExitError
	if err := again.Run(); errors.As(err, &exit) {
		return &exitError{exit.ExitCode()}
	} else if err != nil {
		return err
	}
	return nil
}
