package commandline

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/storage/audit"
)

func orphansCommand() *cobra.Command {
	var f auditFlags
	var plan planFlags
	command := &cobra.Command{
		Use:   "orphans [flags] ROOT",
		Short: "Find the files under a root that no checkpoint uses",
		Long: "Finds the files under a checkpoint root that no checkpoint uses. It reads all checkpoints under ROOT.\n" +
			"If ROOT is one job's directory, it also reads the checkpoints of the jobs beside it. A file younger\n" +
			"than --age counts as unknown. If a checkpoint cannot be read, or lacks files, no file is proven to\n" +
			"be an orphan, and the exit code is 4. To delete orphans, write a plan with --plan, read it, and run\n" +
			"the command again with --delete and the same plan. It checks each file once more.",
		Example: "  snapback orphans s3://bucket/checkpoints\n  snapback orphans --plan plan.jsonl /tmp/checkpoints\n" +
			"  snapback orphans --delete --plan plan.jsonl /tmp/checkpoints",
		Args: places("ROOT"),
	}
	f.register(command)
	plan.register(command)
	age := command.Flags().Duration("age", audit.DefaultAge, "a younger file counts as unknown, because it may belong to a checkpoint in progress")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		root := arguments[0]
		options := audit.OrphanOptions{Now: time.Now(), Age: *age, Also: plan.also}
		if *age < 0 {
			return harness.Usagef("--age: want 0 or more, got %s", *age)
		}
		if err := plan.check("orphans", root); err != nil {
			return err
		}
		if plan.remove {
			return deleteOrphans(command, &f, &plan, root, options)
		}
		orphans, err := ask(command, &f, func(a *audit.Auditor) (audit.Orphans, error) { return a.Orphans(command.Context(), root, options) })
		if err != nil {
			return err
		}
		if err := plan.write(orphans.WritePlan, len(orphans.Orphans)); err != nil {
			return err
		}
		if err := show(command, f.format, orphans, func(row func(...string)) { f.showOrphans(orphans, row) }); err != nil {
			return err
		}
		plan.next(command, &f, "orphans", root, len(orphans.Orphans))
		return verdictOfAll(orphans.Denied(), len(orphans.Orphans) > 0, len(orphans.Doubts) > 0)
	}
	return command
}

// verdictOfAll returns the error that decides the exit code. The parameter refused is the error of
// a missing permission: it has priority. The parameter some says that the command found something
// wrong. The parameter doubts says that the answer is not proven; it decides only if nothing else
// is wrong.
func verdictOfAll(refused error, some, doubts bool) error {
	switch {
	case refused != nil:
		return denied(refused)
	case some:
		return found()
	case doubts:
		return unproven()
	}
	return nil
}

// Unlike other flags, --delete cannot be set by an environment variable: a user who wants to delete
// files must give the flag in each command.
const deleteFlag = "delete"

// planFlags are the flags of the commands that delete what a plan lists.
type planFlags struct {
	file   string
	remove bool
	also   []string
}

func (p *planFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&p.file, "plan", "", "`file` to write the plan to; with --delete, the file to read it from")
	flags.BoolVar(&p.remove, deleteFlag, false, "delete what the plan lists, if a new check still proves that no checkpoint needs it")
	pathsVar(command, &p.also, "also", "another `ROOT`, whose checkpoints may use files under this one; may be repeated")
}

// check fails if --delete is given without --plan. Without --delete, it fails if the file of the
// plan already exists.
func (p *planFlags) check(verb, root string) error {
	if p.remove && p.file == "" {
		return harness.Usagef("--delete: want --plan FILE; write this file first: snapback %s --plan FILE %s", verb, root)
	}
	if p.file == "" || p.remove {
		return nil
	}
	if _, err := os.Lstat(p.file); err == nil {
		return harness.Usagef("--plan: %s: the file exists: name another file, or delete it", p.file)
	}
	return nil
}

// write writes a plan with the given function. It writes nothing if --plan is not given, or if the
// plan would have no lines. The parameter n is the number of lines.
func (p *planFlags) write(write func(to io.Writer) error, n int) error {
	if p.file == "" || n == 0 {
		return nil
	}
	file, err := os.OpenFile(p.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return harness.Usagef("--plan: %w", err)
	}
	if err := write(file); err != nil {
		_ = file.Close() // the error of write() says more
		return fmt.Errorf("--plan: %w", err)
	}
	return file.Close()
}

// next() tells the user what to do after a plan was written.
func (p *planFlags) next(command *cobra.Command, f *auditFlags, verb, root string, n int) {
	switch {
	case p.file == "" || f.quiet:
	case n == 0:
		_, _ = fmt.Fprintln(command.ErrOrStderr(), "there is nothing to delete, so no plan was written")
	default:
		_, _ = fmt.Fprintf(command.ErrOrStderr(), "wrote the plan to %s. Read it, and remove the line of each file or checkpoint that must stay. Keep the first line. Then run: snapback %s --delete --plan %s %s\n", p.file, verb, p.file, root)
	}
}

// readPlan reads a plan. The plan also holds the values of --also and --rebase that the user gave
// when the plan was made. readPlan adds them to the values of this command.
func readPlan[Line any](p *planFlags, f *auditFlags, root string, read func(from io.Reader, root string) (audit.Plan[Line], error)) (audit.Plan[Line], error) {
	if info, err := os.Stat(p.file); err == nil && !info.Mode().IsRegular() {
		return audit.Plan[Line]{}, harness.Usagef("--plan: %s: want a regular file", p.file)
	}
	file, err := os.Open(p.file)
	if err != nil {
		return audit.Plan[Line]{}, harness.Usagef("--plan: %w", err)
	}
	defer func() { _ = file.Close() }() // a file that is only read needs no check
	plan, err := read(file, root)
	if err != nil {
		return plan, harness.Usagef("--plan: %s: %w", p.file, err)
	}
	p.also = append(p.also, plan.Also...)
	f.planned = plan.Moved
	return plan, nil
}

func deleteOrphans(command *cobra.Command, f *auditFlags, plan *planFlags, root string, options audit.OrphanOptions) error {
	planned, err := readPlan(plan, f, root, audit.ReadPlan)
	if err != nil {
		return err
	}
	options.Also = plan.also
	if !command.Flags().Changed("age") {
		options.Age = planned.Age
	}
	deleted, err := ask(command, f, func(a *audit.Auditor) (audit.Deleted, error) {
		return a.Delete(command.Context(), root, options, planned.Lines)
	})
	if shown := show(command, f.format, deleted, func(row func(...string)) {
		total := int64(0)
		for _, orphan := range deleted.Deleted {
			total += orphan.Bytes
		}
		row(fmt.Sprintf("deleted %s with %s, kept %d%s", report.Count(len(deleted.Deleted), "file"), size(total), len(deleted.Kept), alreadyGone(deleted.Gone)))
		f.showKept(deleted.Kept, row)
	}); shown != nil {
		return shown
	}
	if err != nil {
		return err
	}
	return verdictOfAll(deleted.Denied(), len(deleted.Kept) > 0, false)
}

// alreadyGone returns text for the number of planned files or checkpoints that somebody else had
// already deleted.
func alreadyGone(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d were deleted before", n)
}

func (f *auditFlags) showKept(kept []audit.Kept, row func(...string)) {
	f.some(len(kept), row, "  ", func(i int) { row("  kept " + kept[i].Path + ": " + kept[i].Reason) })
}

func (f *auditFlags) showOrphans(o audit.Orphans, row func(...string)) {
	sources := map[audit.Source][]audit.Orphan{}
	total := int64(0)
	for _, orphan := range o.Orphans {
		sources[orphan.Source] = append(sources[orphan.Source], orphan)
		total += orphan.Bytes
	}
	for _, source := range audit.Sources() {
		of := sources[source]
		if len(of) == 0 {
			continue
		}
		sum := int64(0)
		for _, orphan := range of {
			sum += orphan.Bytes
		}
		row(fmt.Sprintf("%s: %s, %s: %s", source, report.Count(len(of), "file"), size(sum), source.Explain()))
		f.some(len(of), row, "  ", func(i int) {
			row("  "+of[i].Path, size(of[i].Bytes), of[i].Modified.UTC().Format(time.DateTime))
		})
	}
	f.showDoubts(o.Doubts, row)
	for _, u := range o.Unknown {
		row(fmt.Sprintf("unknown: %s, %s: %s; for example %s", report.Count(u.Files, "file"), size(u.Bytes), u.Reason, u.First))
	}
	f.some(len(o.Empty), row, "", func(i int) { row("empty directory: " + o.Empty[i]) })
	row(checkpointsRead(o.Roots))
	row(fmt.Sprintf("%s: %s, %d of them used by %s; %s with %s",
		o.Root, report.Count(o.Files, "file"), o.Referenced, report.Count(o.Checkpoints, "checkpoint"), report.Count(len(o.Orphans), "orphan"), size(total)))
}

// checkpointsRead returns text that says under which roots the checkpoints were read.
func checkpointsRead(roots []string) string {
	return fmt.Sprintf("read the checkpoints under %s; if other jobs use these files, name the checkpoint directory of these jobs with --also", strings.Join(roots, ", "))
}

// showDoubts prints the reasons why the answer is not proven.
func (f *auditFlags) showDoubts(doubts []string, row func(...string)) {
	f.some(len(doubts), row, "", func(i int) { row("not proven: " + doubts[i]) })
}
