package commandline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/storage/audit"
)

func expireCommand() *cobra.Command {
	var f auditFlags
	var plan planFlags
	command := &cobra.Command{
		Use:   "expire [flags] ROOT",
		Short: "Say which old checkpoints and savepoints a policy deletes, and delete them by plan",
		Long: "Says which checkpoints and savepoints under a root are to be deleted: those older than --older-than,\n" +
			"if at least --keep newer ones of their job can be restored from. Without a proof who depends on\n" +
			"what, as for orphans, it is none (exit code 4). To delete, first write a plan (--plan), look at it,\n" +
			"then use --delete with the same plan. A file that another checkpoint uses is never deleted.",
		Example: "  snapback expire --keep 3 --older-than 168h --plan plan.jsonl s3://bucket/checkpoints\n" +
			"  snapback expire --delete --plan plan.jsonl s3://bucket/checkpoints",
		Args: places("ROOT"),
	}
	f.register(command)
	plan.register(command)
	keep := command.Flags().Int("keep", 1, "keep the newest `N` of each job that can be restored from")
	older := command.Flags().Duration("older-than", 0, "delete only what is older, as in 168h")
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
			return harness.Usagef("--keep 0: want --older-than D with it, for it lets the newest checkpoint of each job go")
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
	row(whoWasRead(e.Roots))
	row(fmt.Sprintf("%s: %d checkpoints to delete, with %s that nobody else depends on; %d stay", e.Root, len(e.Expired), size(e.Bytes), e.Kept))
}

// deleteExpired deletes by the policy that a plan was made by. One that is given again must
// be the same.
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
		row(fmt.Sprintf("deleted %d checkpoints: %d files of %s; kept %d%s", len(done.Deleted), done.Files, size(done.Bytes), len(done.Kept), alreadyGone(done.Gone)))
		f.showKept(done.Kept, row)
	}); shown != nil {
		return shown
	}
	if err != nil {
		return err
	}
	return verdictOfAll(done.Denied(), len(done.Kept) > 0, false)
}
