package commandline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/storage/audit"
)

func expireCommand() *cobra.Command {
	var f auditFlags
	var plan planFlags
	command := &cobra.Command{
		Use:   "expire [flags] ROOT",
		Short: "Find the old checkpoints and savepoints that a policy deletes, and delete them by plan",
		Long: "Finds the checkpoints and savepoints under a root that a policy deletes: those that are older than\n" +
			"--older-than, if their job has at least --keep newer restorable ones. If a checkpoint cannot be read,\n" +
			"or lacks files, none is found, and the exit code is 4. To delete them, write a plan with --plan, read\n" +
			"it, and run the command again with --delete and the same plan. It never deletes a file that another\n" +
			"checkpoint uses.",
		Example: "  snapback expire --keep 3 --older-than 168h --plan plan.jsonl s3://bucket/checkpoints\n" +
			"  snapback expire --delete --plan plan.jsonl s3://bucket/checkpoints",
		Args: places("ROOT"),
	}
	f.register(command)
	plan.register(command)
	keep := command.Flags().Int("keep", 1, "keep the newest `N` restorable checkpoints of each job")
	older := command.Flags().Duration("older-than", 0, "delete only checkpoints that are older, for example 168h")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		root := arguments[0]
		options := audit.ExpireOptions{Now: time.Now(), Policy: audit.Policy{Keep: *keep, OlderThan: *older}, Also: plan.also}
		policy := command.Flags().Changed("keep") || command.Flags().Changed("older-than")
		switch {
		case *keep < 0:
			return harness.Usagef("--keep: want 0 or more, got %d", *keep)
		case *older < 0:
			return harness.Usagef("--older-than: want 0 or more, got %s", *older)
		case *keep == 0 && *older == 0 && !plan.remove:
			return harness.Usagef("--keep 0: want --older-than D with it, because it deletes even the newest checkpoint of each job")
		case !plan.remove && !policy:
			return harness.Usagef("snapback expire: want --keep N or --older-than D, or both")
		}
		if err := plan.check("expire --keep N", root); err != nil {
			return err
		}
		if plan.remove {
			return deleteExpired(command, &f, &plan, root, options, policy)
		}
		expiry, err := ask(command, &f, func(a *audit.Auditor) (audit.Expiry, error) { return a.Expire(command.Context(), root, options) })
		if err != nil {
			return err
		}
		if err := plan.write(expiry.WritePlan, len(expiry.Expired)); err != nil {
			return err
		}
		if err := show(command, f.format, expiry, func(row func(...string)) { f.showExpiry(expiry, row) }); err != nil {
			return err
		}
		plan.next(command, &f, "expire", root, len(expiry.Expired))
		return verdictOfAll(expiry.Denied(), len(expiry.Expired) > 0, len(expiry.Doubts) > 0)
	}
	return command
}

func (f *auditFlags) showExpiry(e audit.Expiry, row func(...string)) {
	f.showDoubts(e.Doubts, row)
	if len(e.Expired) > 0 {
		row("JOB", "KIND", "ID", "WRITTEN", "FILES", "FREES", "PATH")
	}
	f.some(len(e.Expired), row, "", func(i int) {
		x := e.Expired[i]
		job := x.Job
		if job == "" {
			job = "-"
		}
		row(job, x.Kind, strconv.FormatInt(x.ID, 10), x.Modified.UTC().Format(time.DateTime), strconv.Itoa(x.Files), size(x.Bytes), x.Path)
	})
	for _, note := range e.Notes {
		row(note)
	}
	row(checkpointsRead(e.Roots))
	row(fmt.Sprintf("%s: %s to delete, with %s that no other checkpoint uses; %d stay", e.Root, report.Count(len(e.Expired), "checkpoint"), size(e.Bytes), e.Kept))
}

// deleteExpired deletes the checkpoints that a plan lists. It checks them with the policy in the
// plan. If the user also gives a policy with flags, the two policies must be equal.
func deleteExpired(command *cobra.Command, f *auditFlags, plan *planFlags, root string, options audit.ExpireOptions, given bool) error {
	planned, err := readPlan(plan, f, root, audit.ReadExpirePlan)
	if err != nil {
		return err
	}
	if given && planned.Policy != options.Policy {
		return harness.Usagef("--plan: %s was made with --keep %d --older-than %s: leave these flags out, or make a new plan", plan.file, planned.Policy.Keep, planned.Policy.OlderThan)
	}
	options.Policy, options.Also = planned.Policy, plan.also
	done, err := ask(command, f, func(a *audit.Auditor) (audit.Expirations, error) {
		return a.DeleteExpired(command.Context(), root, options, planned.Lines)
	})
	if shown := show(command, f.format, done, func(row func(...string)) {
		row(fmt.Sprintf("deleted %s: %s with %s; kept %d%s", report.Count(len(done.Deleted), "checkpoint"), report.Count(done.Files, "file"), size(done.Bytes), len(done.Kept), alreadyGone(done.Gone)))
		f.showKept(done.Kept, row)
	}); shown != nil {
		return shown
	}
	if err != nil {
		return err
	}
	return verdictOfAll(done.Denied(), len(done.Kept) > 0, false)
}
