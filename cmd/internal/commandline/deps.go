package commandline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/storage/audit"
)

func depsCommand() *cobra.Command {
	var f auditFlags
	var also []string
	command := &cobra.Command{
		Use:   "deps [flags] PATH",
		Short: "Find the checkpoints that use a file, a checkpoint or a job's directory, before you delete it",
		Long: "Finds the checkpoints that use a file. If PATH is the directory of a checkpoint or a job, it finds the\n" +
			"checkpoints outside PATH that use a file in it. It reads the checkpoints of all jobs in the same\n" +
			"checkpoint directory, and under each root of --also. The exit code is 0 if no checkpoint uses PATH,\n" +
			"1 if one does, and 4 if that is not proven.",
		Example: "  snapback deps s3://bucket/checkpoints/JOB/chk-5\n  snapback deps --also /archive /checkpoints/JOB\n" +
			"  snapback deps /checkpoints/JOB/shared/8190d471-89c8-4514-87da-06ba869adde8",
		Args: places("PATH"),
	}
	f.register(command)
	pathsVar(command, &also, "also", "another `ROOT`, whose checkpoints may use PATH; may be repeated")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		options := audit.DepsOptions{Now: time.Now(), Also: also}
		deps, err := ask(command, &f, func(a *audit.Auditor) (audit.Deps, error) { return a.Deps(command.Context(), arguments[0], options) })
		if err != nil {
			return err
		}
		if err := show(command, f.format, deps, func(row func(...string)) { f.showDeps(deps, row) }); err != nil {
			return err
		}
		return verdictOfAll(deps.Denied(), len(deps.Dependents) > 0, len(deps.Doubts) > 0)
	}
	return command
}

func (f *auditFlags) showDeps(d audit.Deps, row func(...string)) {
	if len(d.Dependents) > 0 {
		row("DEPENDENT", "KIND", "ID", "FILES", "BYTES", "FOR EXAMPLE")
	}
	f.some(len(d.Dependents), row, "", func(i int) {
		x := d.Dependents[i]
		row(x.Path, x.Kind, strconv.FormatInt(x.ID, 10), strconv.Itoa(x.Files), size(x.Bytes), x.First)
	})
	f.showDoubts(d.Doubts, row)
	for _, note := range d.Notes {
		row("note: " + note)
	}
	answer := "no other checkpoint uses it: it may be deleted"
	switch {
	case len(d.Dependents) > 0:
		answer = fmt.Sprintf("used by %s: it must not be deleted", report.Count(len(d.Dependents), "checkpoint"))
	case !d.MayBeDeleted:
		answer = "unknown whether a checkpoint uses it: it must not be deleted"
	case len(d.Notes) > 0:
		answer = "no other checkpoint uses it: it may be deleted, but see the notes above"
	}
	row(fmt.Sprintf("%s (%s, %s): %s", d.Path, report.Count(d.Files, "file"), size(d.Bytes), answer))
	row(fmt.Sprintf("read %d other checkpoints", d.Checkpoints))
	row(checkpointsRead(d.Roots))
}
