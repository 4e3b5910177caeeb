package commandline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/storage/audit"
)

func depsCommand() *cobra.Command {
	var f auditFlags
	var also []string
	command := &cobra.Command{
		Use:   "deps [flags] PATH",
		Short: "Say who depends on a file, a checkpoint or a job's directory: may it be deleted?",
		Long: "Says which checkpoints use a file, or a file in the directory of a checkpoint or a job; those in\n" +
			"that directory itself do not count. It reads the checkpoints of all jobs in the same checkpoint\n" +
			"directory, and under the roots given with --also. Exit code 0 if nobody uses it, 1 if somebody\n" +
			"does, 4 if that is not proven.",
		Example: "  snapback deps s3://bucket/checkpoints/JOB/chk-5\n  snapback deps --also /archive /checkpoints/JOB\n" +
			"  snapback deps /checkpoints/JOB/shared/8190d471-89c8-4514-87da-06ba869adde8",
		Args: places("PATH"),
	}
	f.register(command)
	pathsVar(command, &also, "also", "another `ROOT`, whose checkpoints are asked too; may be given several times")
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
	answer := "nobody: may be deleted"
	switch {
	case len(d.Dependents) > 0:
		answer = fmt.Sprintf("%d checkpoints depend on it: must not be deleted", len(d.Dependents))
	case !d.MayBeDeleted:
		answer = "not known: must not be deleted"
	case len(d.Notes) > 0:
		answer = "nobody else depends on it: may be deleted; but see the warning"
	}
	row(fmt.Sprintf("%s (%d files, %s): %s", d.Path, d.Files, size(d.Bytes), answer))
	row(fmt.Sprintf("%d other checkpoints were read", d.Checkpoints))
	row(whoWasRead(d.Roots))
}
