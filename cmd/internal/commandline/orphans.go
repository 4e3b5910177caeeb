package commandline

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/storage/audit"
)

func orphansCommand() *cobra.Command {
	var f auditFlags
	var plan planFlags
	command := &cobra.Command{
		Use:   "orphans [flags] ROOT",
		Short: "Find the files under a root that no checkpoint uses, as far as that is proven",
		Long: "Finds the files under a checkpoint root that no checkpoint uses. It reads all checkpoints under\n" +
			"ROOT, and those of the other jobs beside it if ROOT is one job's directory. A file that is younger\n" +
			"than --age is unknown. As long as a checkpoint cannot be read, or its files are missing, nothing is\n" +
			"an orphan (exit code 4). To delete, first write a plan (--plan), look at it, then use --delete with\n" +
			"the same plan: each file is judged anew.",
		Example: "  snapback orphans s3://bucket/checkpoints\n  snapback orphans --plan plan.jsonl /tmp/checkpoints\n" +
			"  snapback orphans --delete --plan plan.jsonl /tmp/checkpoints",
		Args: places("ROOT"),
	}
	f.register(command)
	plan.register(command)
	age := command.Flags().Duration("age", audit.DefaultAge, "a file that is younger is unknown: it may be of a checkpoint in progress")
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

// verdictOfAll says what follows from what was found, from what could not be proven, and
// from what could not be looked at.
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

// deleteFlag has no twin in the environment: who deletes says so.
const deleteFlag = "delete"

// planFlags are those of verbs that delete by plan.
type planFlags struct {
	file   string
	remove bool
	also   []string
}

func (p *planFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&p.file, "plan", "", "`file` to write a plan to; with --delete, to read it from")
	flags.BoolVar(&p.remove, deleteFlag, false, "delete what is in the plan, as far as it is proven anew that nobody depends on it")
	pathsVar(command, &p.also, "also", "another `ROOT`, whose checkpoints may depend on files under this one; may be given several times")
}

// check wants a plan that can be read, or whose file can be made.
func (p *planFlags) check(verb, root string) error {
	if p.remove && p.file == "" {
		return harness.Usagef("--delete: want --plan FILE, written before by: snapback %s --plan FILE %s", verb, root)
	}
	if p.file == "" || p.remove {
		return nil
	}
	if _, err := os.Lstat(p.file); err == nil {
		return harness.Usagef("--plan: %s: file exists; name another, or delete it", p.file)
	}
	return nil
}

// write writes a plan, if one is wanted, and there is something to plan.
func (p *planFlags) write(write func(to io.Writer) error, n int) error {
	if p.file == "" || n == 0 {
		return nil
	}
	file, err := os.OpenFile(p.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return harness.Usagef("--plan: %w", err)
	}
	if err := write(file); err != nil {
		_ = file.Close() // what was written first says more
		return fmt.Errorf("--plan: %w", err)
	}
	return file.Close()
}

// next says what comes after a plan was written.
func (p *planFlags) next(command *cobra.Command, f *auditFlags, verb, root string, n int) {
	switch {
	case p.file == "" || f.quiet:
	case n == 0:
		_, _ = fmt.Fprintln(command.ErrOrStderr(), "there is nothing to delete: no plan was written")
	default:
		_, _ = fmt.Fprintf(command.ErrOrStderr(), "plan written to %s: look at it, remove the lines of what shall stay (not the first line), then: snapback %s --delete --plan %s %s\n", p.file, verb, p.file, root)
	}
}

// readPlan reads a plan, and takes over the roots and moves that it was made with.
func readPlan[Line any](p *planFlags, f *auditFlags, root string, read func(from io.Reader, root string) (audit.Plan[Line], error)) (audit.Plan[Line], error) {
	if info, err := os.Stat(p.file); err == nil && !info.Mode().IsRegular() {
		return audit.Plan[Line]{}, harness.Usagef("--plan: %s: want a regular file", p.file)
	}
	file, err := os.Open(p.file)
	if err != nil {
		return audit.Plan[Line]{}, harness.Usagef("--plan: %w", err)
	}
	defer func() { _ = file.Close() }() // only read from
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
		row(fmt.Sprintf("deleted %d files of %s, kept %d%s", len(deleted.Deleted), size(total), len(deleted.Kept), alreadyGone(deleted.Gone)))
		f.showKept(deleted.Kept, row)
	}); shown != nil {
		return shown
	}
	if err != nil {
		return err
	}
	return verdictOfAll(deleted.Denied(), len(deleted.Kept) > 0, false)
}

// alreadyGone says how much of a plan somebody else has carried out.
func alreadyGone(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d were gone already", n)
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
		row(fmt.Sprintf("%s: %d files, %s: %s", source, len(of), size(sum), source.Explain()))
		f.some(len(of), row, "  ", func(i int) {
			row("  "+of[i].Path, size(of[i].Bytes), of[i].Modified.UTC().Format(time.DateTime))
		})
	}
	f.showDoubts(o.Doubts, row)
	for _, u := range o.Unknown {
		row(fmt.Sprintf("unknown: %d files, %s, for example %s: %s", u.Files, size(u.Bytes), u.First, u.Reason))
	}
	f.some(len(o.Empty), row, "", func(i int) { row("empty directory: " + o.Empty[i]) })
	row(whoWasRead(o.Roots))
	row(fmt.Sprintf("%s: %d files, %d of them referred to by %d checkpoints; %d orphans of %s", o.Root, o.Files, o.Referenced, o.Checkpoints, len(o.Orphans), size(total)))
}

// whoWasRead says which checkpoints were read, and which were not.
func whoWasRead(roots []string) string {
	return fmt.Sprintf("read: the checkpoints under %s; if jobs elsewhere use these files, give their directory with --also", strings.Join(roots, ", "))
}

// showDoubts says why nothing is proven.
func (f *auditFlags) showDoubts(doubts []string, row func(...string)) {
	f.some(len(doubts), row, "", func(i int) { row("not proven: " + doubts[i]) })
}
