package commandline

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/storage/audit"
)

func lsCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "ls [flags] ROOT",
		Short: "List the checkpoints of each job under a root, the newest restorable one first",
		Long: "Lists every checkpoint and savepoint under a checkpoint root, and says which ones are restorable: it\n" +
			"verifies each one as snapback verify does. Of two checkpoints of a job, the one with the higher id\n" +
			"is newer. The exit code is 1 if the root holds checkpoints but none is restorable.",
		Example: "  snapback ls file:///tmp/checkpoints\n  snapback ls --latest --job 5f0c s3://bucket/checkpoints\n" +
			"  flink run -s $(snapback ls --latest hdfs://namenode:8020/checkpoints/JOB) job.jar",
		Args: places("ROOT"),
	}
	f.register(command)
	latest := command.Flags().Bool("latest", false, "print only the path of the newest restorable checkpoint of a job")
	job := command.Flags().String("job", "", "with --latest, the `ID` of the job, the beginning of its ID, or its directory")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if *job != "" && !*latest {
			return harness.Usagef("--job: want --latest with it")
		}
		list, err := ask(command, &f, func(a *audit.Auditor) (audit.List, error) { return a.List(command.Context(), arguments[0]) })
		if err != nil {
			return err
		}
		if *latest {
			if strings.Contains(*job, "/") {
				*job = fromHere(*job)
			}
			return f.showLatest(command, list, *job)
		}
		if err := show(command, f.format, list, func(row func(...string)) { showList(list, row) }); err != nil {
			return err
		}
		return verdictOf(list)
	}
	return command
}

// verdictOf returns an error in two cases: the user may not read a checkpoint, or the list has
// checkpoints but none of them is restorable.
func verdictOf(list audit.List) error {
	if path, no := list.Denied(); no {
		return harness.Usagef("%s: %w", path, fs.ErrPermission)
	}
	if len(list.Checkpoints) == 0 {
		return nil
	}
	for _, g := range list.Jobs {
		if g.Restorable > 0 {
			return nil
		}
	}
	return found()
}

func (f *auditFlags) showLatest(command *cobra.Command, list audit.List, job string) error {
	newest, ok, err := list.Latest(job)
	if err != nil {
		return usage(err)
	}
	if ok {
		if _, err := fmt.Fprintln(command.OutOrStdout(), newest.Path); err != nil {
			return err
		}
	}
	for _, note := range list.Notes {
		if !f.quiet {
			_, _ = fmt.Fprintln(command.ErrOrStderr(), "note:", note)
		}
	}
	if path, no := list.Denied(); no {
		return harness.Usagef("there may be a newer checkpoint: %s: %w", path, fs.ErrPermission)
	}
	if ok {
		return nil
	}
	if !f.quiet {
		of := ""
		if job != "" {
			of = " of job " + job
		}
		_, _ = fmt.Fprintf(command.ErrOrStderr(), "snapback: there is no restorable checkpoint%s under %s; to see all checkpoints, leave out --latest\n", of, list.Root)
	}
	return found()
}

func showList(list audit.List, row func(...string)) {
	restorable, at := 0, 0
	for _, g := range list.Jobs {
		name := "job " + g.Job
		switch {
		case g.Mixed && g.Checkpoints > 1:
			name = "unknown jobs, perhaps several"
		case g.Job == "":
			name = "unknown job"
		}
		row(fmt.Sprintf("%s, in %s: %s, %d restorable", name, g.Directory, report.Count(g.Checkpoints, "checkpoint"), g.Restorable))
		row("  RESTORABLE", "KIND", "ID", "WRITTEN", "STATE", "PATH")
		for _, c := range list.Checkpoints[at : at+g.Checkpoints] {
			showListed(c, row)
		}
		row()
		restorable += g.Restorable
		at += g.Checkpoints
	}
	for _, p := range list.PassedOver {
		row(fmt.Sprintf("skipped: %s: %s", p.Path, p.Reason))
	}
	for _, note := range list.Notes {
		row("note: " + note)
	}
	row(fmt.Sprintf("%s: %s, %d restorable", list.Root, report.Count(len(list.Checkpoints), "checkpoint"), restorable))
}

func showListed(c audit.Listed, row func(...string)) {
	answer, written := "no", "-"
	switch {
	case c.Restorable:
		answer = "yes"
	case c.Unproven:
		answer = "unknown"
	}
	if !c.Modified.IsZero() {
		written = c.Modified.UTC().Format(time.DateTime)
	}
	row("  "+answer, c.Kind, strconv.FormatInt(c.ID, 10), written, size(c.Bytes), c.Path)
	if c.Problem != "" {
		row("", "", "", "", "", "  "+c.Problem)
	}
	for _, note := range c.Notes {
		row("", "", "", "", "", "  note: "+note)
	}
}
