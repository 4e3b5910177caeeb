package commandline

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/storage/audit"
)

func diffCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:     "diff [flags] A B",
		Short:   "Show what changed from checkpoint A to checkpoint B",
		Example: "  snapback diff /tmp/checkpoints/JOB/chk-6 /tmp/checkpoints/JOB/chk-7",
		Args:    places("A", "B"),
	}
	f.register(command)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		difference, err := ask(command, &f, func(a *audit.Auditor) (audit.Difference, error) { return a.Diff(arguments[0], arguments[1]) })
		if err != nil {
			return err
		}
		return show(command, f.format, difference, func(row func(...string)) { showDifference(difference, f.verbose, row) })
	}
	return command
}

func showDifference(d audit.Difference, verbose bool, row func(...string)) {
	row("from", d.From)
	row("to", d.To)
	for _, set := range []struct {
		name string
		of   audit.FileSet
	}{{"shared", d.Shared}, {"added", d.Added}, {"dropped", d.Dropped}} {
		row(set.name, fmt.Sprintf("%s, %s", report.Count(len(set.of.Files), "file"), size(set.of.Bytes)))
		for _, file := range set.of.Files {
			if verbose {
				row("", "  "+file)
			}
		}
	}
	row()
	row("OPERATOR", "BEFORE", "AFTER", "CHANGE")
	for _, o := range d.Operators {
		before, after, change := "-", "-", ""
		if o.Before != nil {
			before = size(*o.Before)
		}
		if o.After != nil {
			after = size(*o.After)
		}
		if o.Before != nil && o.After != nil {
			change = fmt.Sprintf("%+d B", *o.After-*o.Before)
		}
		row(o.Operator, before, after, change)
	}
}

func compatCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "compat [flags] A --with B",
		Short: "Check whether the job that wrote checkpoint B can restore checkpoint A",
		Long: "Compares checkpoint A with the operators of the job that wrote checkpoint B: their ids (which Flink\n" +
			"computes from the uids), parallelism, maximum parallelism and state backend. It says what Flink would\n" +
			"refuse, and which flag or setting would help. The exit code is 1 if Flink would refuse A.",
		Example: "  snapback compat /checkpoints/OLD/chk-7 --with /checkpoints/NEW/chk-1",
		Args:    places("A"),
	}
	f.register(command)
	with := command.Flags().String("with", "", "a checkpoint or savepoint `B` of the job that must restore A")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if *with == "" {
			return harness.Usagef("%s: want --with B, a checkpoint of the job that must restore A", command.CommandPath())
		}
		other := []string{*with}
		if err := places("B")(command, other); err != nil {
			return err
		}
		c, err := ask(command, &f, func(a *audit.Auditor) (audit.Compatibility, error) { return a.Compat(arguments[0], other[0]) })
		if err != nil {
			return err
		}
		if err := show(command, f.format, c, func(row func(...string)) { showCompatibility(c, row) }); err != nil {
			return err
		}
		return verdictOfAll(nil, !c.Accepted, false)
	}
	return command
}

func showCompatibility(c audit.Compatibility, row func(...string)) {
	row("OPERATOR", "FOUND IN", "PARALLELISM", "MAXIMUM", "STATE", "BACKEND")
	for _, o := range c.Operators {
		row(o.Operator, o.Match, o.Parallelism, o.MaxParallel, size(o.Bytes), o.Backend)
	}
	row()
	for _, r := range c.Refusals {
		row(fmt.Sprintf("refused: operator %s: %s", r.Operator, r.Why))
		row("  fix: " + r.Unless)
	}
	for _, note := range c.Notes {
		row("note: " + note)
	}
	if c.Accepted {
		row(fmt.Sprintf("accepted, as far as the metadata shows: the job that wrote %s can restore %s", c.Job, c.From))
		return
	}
	row(fmt.Sprintf("REFUSED for %d reasons: as it is, the job that wrote %s cannot restore %s", len(c.Refusals), c.Job, c.From))
}
