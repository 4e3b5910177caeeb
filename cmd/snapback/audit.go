package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem/schemes"
	"github.com/snapback/snapback/storage/metadata"
)

// shownMax is how many of a kind people are shown without --verbose.
const shownMax = 20

// auditFlags are those of all commands that look at storage.
type auditFlags struct {
	format  string
	moved   []string
	verbose bool
	quiet   bool
}

func (f *auditFlags) register(command *cobra.Command) {
	formatFlag(command, &f.format)
	flags := command.Flags()
	flags.StringArrayVar(&f.moved, "rebase", nil, "`FROM=TO`: recorded paths that begin with FROM are looked up under TO")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show everything, and every step")
	flags.BoolVar(&f.quiet, "quiet", false, "show no progress")
}

// auditor makes what looks at storage, and the progress that it reports to.
func (f *auditFlags) auditor(command *cobra.Command) (*audit.Auditor, *progress, error) {
	a := &audit.Auditor{Files: schemes.New()}
	for _, text := range f.moved {
		move, err := audit.ParseMove(text)
		if err != nil {
			return nil, nil, harness.Usagef("--rebase: %w", err)
		}
		a.Moved = append(a.Moved, move)
	}
	if err := checkFormat(f.format); err != nil {
		return nil, nil, err
	}
	shown := newProgress(command.ErrOrStderr(), f.verbose, f.quiet)
	a.Progress = func(what string, done, of int64) {
		if of > 0 {
			shown.say(fmt.Sprintf("%s: %d of %d", what, done, of))
		} else {
			shown.say(fmt.Sprintf("%s: %d", what, done))
		}
	}
	return a, shown, nil
}

// ask puts a question to an auditor. Its answer comes with an error too, and after the
// last of the progress; what leads nowhere is the user's mistake.
func ask[Answer any](command *cobra.Command, f *auditFlags, question func(a *audit.Auditor) (Answer, error)) (Answer, error) {
	a, shown, err := f.auditor(command)
	if err != nil {
		var none Answer
		return none, err
	}
	answer, err := question(a)
	shown.done(func() {})
	return answer, usage(err)
}

// some shows the first of n things; all of them, if asked for.
func (f *auditFlags) some(n int, row func(...string), indent string, one func(i int)) {
	for i := range n {
		if i == shownMax && !f.verbose {
			row(fmt.Sprintf("%s… and %d more; all of them with --verbose", indent, n-i))
			return
		}
		one(i)
	}
}

// places wants as many paths or URLs as there are names, and makes what is relative to
// the working directory absolute.
func places(names ...string) cobra.PositionalArgs {
	return func(command *cobra.Command, given []string) error {
		if len(given) != len(names) {
			return harness.Usagef("%s: want %s, got %d arguments", command.CommandPath(), strings.Join(names, " and "), len(given))
		}
		for i, place := range given {
			if place == "" || strings.Contains(place, ":") {
				continue
			}
			absolute, err := filepath.Abs(place)
			if err != nil {
				return err
			}
			given[i] = absolute
		}
		return nil
	}
}

// usage makes a path that leads nowhere the user's mistake.
func usage(err error) error {
	var notFound *storage.NotFoundError
	var unreachable *storage.UnreachableError
	var unknown *schemes.UnknownError
	var sealed *audit.SealedError
	var bad *metadata.Error
	if errors.As(err, &notFound) || errors.As(err, &unreachable) || errors.As(err, &unknown) || errors.As(err, &sealed) || errors.As(err, &bad) {
		return &harness.UsageError{Err: err}
	}
	return err
}

// found carries out that what was asked for does not hold.
func found() error { return &verdictError{oracle.Fail} }

func lsCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "ls [flags] ROOT",
		Short: "List the checkpoints under a root, the newest that can be restored from first",
		Long: "Lists every checkpoint and savepoint under a checkpoint root. One counts as restorable if\n" +
			"all its files are there and have their sizes; verify looks closer.",
		Example: "  snapback ls file:///tmp/checkpoints\n  snapback ls --latest s3://bucket/checkpoints\n" +
			"  flink run -s $(snapback ls --latest hdfs://namenode:8020/checkpoints/JOB) job.jar",
		Args: places("ROOT"),
	}
	f.register(command)
	latest := command.Flags().Bool("latest", false, "print just the path of the newest that can be restored from")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		list, err := ask(command, &f, func(a *audit.Auditor) (audit.List, error) { return a.List(command.Context(), arguments[0]) })
		if err != nil {
			return err
		}
		if *latest {
			return f.showLatest(command, list)
		}
		return show(command, f.format, list, func(row func(...string)) { showList(list, row) })
	}
	return command
}

func (f *auditFlags) showLatest(command *cobra.Command, list audit.List) error {
	newest, ok := list.Latest()
	if ok {
		_, err := fmt.Fprintln(command.OutOrStdout(), newest.Path)
		return err
	}
	if !f.quiet {
		_, _ = fmt.Fprintf(command.ErrOrStderr(), "snapback: there is no checkpoint under %s that can be restored from\n", list.Root)
	}
	return found()
}

func showList(list audit.List, row func(...string)) {
	restorable := 0
	if len(list.Checkpoints) > 0 {
		row("RESTORABLE", "KIND", "ID", "TAKEN", "STATE", "PATH")
	}
	for _, c := range list.Checkpoints {
		answer, taken := "no", "-"
		if c.Restorable {
			answer = "yes"
			restorable++
		}
		if !c.Modified.IsZero() {
			taken = c.Modified.UTC().Format(time.DateTime)
		}
		row(answer, c.Kind, strconv.FormatInt(c.ID, 10), taken, size(c.Bytes), c.Path)
		if c.Problem != "" {
			row("", "", "", "", "", "  "+c.Problem)
		}
	}
	row(fmt.Sprintf("%s: %d checkpoints, %d can be restored from", list.Root, len(list.Checkpoints), restorable))
}

func inspectCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:     "inspect [flags] PATH",
		Short:   "Say what a checkpoint or savepoint holds",
		Example: "  snapback inspect /tmp/checkpoints/JOB/chk-7\n  snapback inspect --format json s3://bucket/savepoints/savepoint-1a2b3c-0123456789ab",
		Args:    places("PATH"),
	}
	f.register(command)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		inspection, err := ask(command, &f, func(a *audit.Auditor) (audit.Inspection, error) { return a.Inspect(arguments[0]) })
		if err != nil {
			return err
		}
		return show(command, f.format, inspection, func(row func(...string)) { f.showInspection(inspection, row) })
	}
	return command
}

func (f *auditFlags) showInspection(in audit.Inspection, row func(...string)) {
	kind := "checkpoint"
	if in.Properties != nil {
		kind = in.Properties.Name
		if in.Properties.Format != nil {
			kind += ", " + *in.Properties.Format
		}
	}
	row(in.Path)
	row(fmt.Sprintf("%s %d, metadata version %d", kind, in.CheckpointID, in.Version))
	row(fmt.Sprintf("%d operators, %d handles; %d files of %s, %s inline", in.Totals.Operators, in.Totals.Handles, in.Totals.Files, size(in.Totals.FileBytes), size(in.Totals.InlineBytes)))
	row()
	row("UID", "NAME", "ID", "PARALLELISM", "MAXIMUM", "STATE")
	for _, o := range in.Operators {
		state := size(o.Bytes)
		if o.FullyFinished {
			state = "finished"
		}
		row(orDash(o.UID), orDash(o.Name), o.ID, strconv.Itoa(int(o.Parallelism)), strconv.Itoa(int(o.MaxParallelism)), state)
	}
	if len(in.Files) == 0 {
		return
	}
	row()
	row("BYTES", "USES", "KIND", "FILE")
	f.some(len(in.Files), row, "", func(i int) {
		file := in.Files[i]
		row(strconv.FormatInt(file.Bytes, 10), strconv.Itoa(file.References), file.Kind, file.Path)
	})
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

func verifyCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "verify [flags] PATH",
		Short: "Say whether a checkpoint can be restored from",
		Long: "Says whether a checkpoint or savepoint can be restored from: every file that it refers to\n" +
			"exists, has its size and can be opened. With --deep every byte is read, and checksums of\n" +
			"RocksDB's files and the digests of a seal are compared. Exit code 0 restorable, 1 not, 2 no checkpoint.",
		Example: "  snapback verify /tmp/checkpoints/JOB/chk-7\n  snapback verify --deep s3://bucket/checkpoints/JOB/chk-7\n" +
			"  snapback verify --rebase hdfs://old/checkpoints=s3://bucket/checkpoints s3://bucket/checkpoints/JOB/chk-7",
		Args: places("PATH"),
	}
	f.register(command)
	deep := command.Flags().Bool("deep", false, "read every byte, and compare checksums and digests where there are some")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		depth := audit.Shallow
		if *deep {
			depth = audit.Deep
		}
		verification, err := ask(command, &f, func(a *audit.Auditor) (audit.Verification, error) {
			return a.Verify(command.Context(), arguments[0], depth)
		})
		if err != nil {
			return err
		}
		return showVerification(command, &f, verification)
	}
	return command
}

// showVerification prints a verification; one that found something is an error.
func showVerification(command *cobra.Command, f *auditFlags, v audit.Verification) error {
	err := show(command, f.format, v, func(row func(...string)) {
		answer := "restorable"
		if !v.Restorable {
			answer = "NOT restorable"
		}
		row(fmt.Sprintf("%s: %s (%d files, %s)", answer, v.Path, v.Checked.Files, size(v.Checked.Bytes)))
		f.some(len(v.Findings), row, "", func(i int) { showFinding(v.Findings[i], row) })
		for _, note := range v.Notes {
			row("  note: " + note)
		}
	})
	if err == nil && !v.Restorable {
		return found()
	}
	return err
}

func showFinding(finding audit.Finding, row func(...string)) {
	where := ""
	if finding.Offset != nil {
		where = fmt.Sprintf(" at offset %d", *finding.Offset)
	}
	row(fmt.Sprintf("  %s: %s%s", finding.Kind, finding.File, where))
	row("    expected: " + finding.Expected)
	row("    found:    " + finding.Found)
	if finding.Operator != "" {
		row(fmt.Sprintf("    lost:     operator %s, %s", finding.Operator, finding.State))
	}
}

func sealCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "seal [flags] PATH",
		Short: "Write digests of a checkpoint beside it",
		Long: "Writes the digest of every file of a checkpoint into CHECKPOINT" + audit.SealSuffix + ", beside its directory, for\n" +
			"verify --deep to compare: the format of a checkpoint has no checksums.",
		Example: "  snapback seal /tmp/savepoints/savepoint-1a2b3c-0123456789ab",
		Args:    places("PATH"),
	}
	f.register(command)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		var name string
		verification, err := ask(command, &f, func(a *audit.Auditor) (v audit.Verification, err error) {
			name, v, err = a.Seal(command.Context(), arguments[0])
			return v, err
		})
		if err != nil {
			return err
		}
		if name == "" {
			return showVerification(command, &f, verification)
		}
		sealed := struct {
			Seal  string `json:"seal"`
			Files int    `json:"files"`
			Bytes int64  `json:"bytes"`
		}{name, verification.Checked.Files, verification.Checked.Bytes}
		return show(command, f.format, sealed, func(row func(...string)) {
			row(fmt.Sprintf("sealed: %s (%d files, %s)", name, sealed.Files, size(sealed.Bytes)))
		})
	}
	return command
}

func diffCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:     "diff [flags] A B",
		Short:   "Say what changed from one checkpoint to another",
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
		row(set.name, fmt.Sprintf("%d files, %s", len(set.of.Files), size(set.of.Bytes)))
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

func orphansCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "orphans [flags] ROOT",
		Short: "Find the files under a root that no checkpoint refers to",
		Long: "Finds the files under a checkpoint root that no checkpoint there refers to. What is younger than\n" +
			"--age, or may belong to a checkpoint that cannot be read, is unknown and never an orphan. Nothing is\n" +
			"deleted, but with --delete what is in a --plan that was written, and looked at, before.",
		Example: "  snapback orphans s3://bucket/checkpoints\n  snapback orphans --plan plan.jsonl /tmp/checkpoints\n" +
			"  snapback orphans --delete --plan plan.jsonl /tmp/checkpoints",
		Args: places("ROOT"),
	}
	f.register(command)
	flags := command.Flags()
	age := flags.Duration("age", audit.DefaultAge, "a file that is younger is unknown: it may be of a checkpoint in progress")
	also := flags.StringArray("also", nil, "another `ROOT`, whose checkpoints may refer to files under this one; may be given several times")
	plan := flags.String("plan", "", "`file` to write a plan to; with --delete, to read it from")
	remove := flags.Bool("delete", false, "delete what is in the plan, as far as it still is an orphan")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		switch {
		case *remove && *plan == "":
			return harness.Usagef("--delete: want --plan FILE, written before by: snapback orphans --plan FILE %s", arguments[0])
		case *age < 0:
			return harness.Usagef("--age: want 0 or more, got %s", *age)
		}
		var planned []audit.Orphan
		if *remove {
			var err error
			if planned, err = readPlan(*plan, arguments[0]); err != nil {
				return err
			}
		}
		orphans, err := ask(command, &f, func(a *audit.Auditor) (audit.Orphans, error) {
			return a.Orphans(command.Context(), arguments[0], audit.OrphanOptions{Now: time.Now(), Age: *age, Also: *also})
		})
		if err != nil {
			return err
		}
		if *remove {
			return deletePlanned(command, &f, orphans, planned)
		}
		if *plan != "" {
			if err := writePlan(*plan, orphans); err != nil {
				return err
			}
		}
		err = show(command, f.format, orphans, func(row func(...string)) { f.showOrphans(orphans, row) })
		if err == nil && len(orphans.Orphans) > 0 {
			return found()
		}
		return err
	}
	return command
}

func readPlan(name, root string) ([]audit.Orphan, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, harness.Usagef("--plan: %w", err)
	}
	defer func() { _ = file.Close() }() // only read from
	planned, err := audit.ReadPlan(file, root)
	if err != nil {
		return nil, harness.Usagef("--plan: %s: %w", name, err)
	}
	return planned, nil
}

func writePlan(name string, orphans audit.Orphans) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return harness.Usagef("--plan: %w", err)
	}
	return errors.Join(orphans.WritePlan(file), file.Close())
}

func deletePlanned(command *cobra.Command, f *auditFlags, orphans audit.Orphans, planned []audit.Orphan) error {
	deleted, err := ask(command, f, func(a *audit.Auditor) (audit.Deleted, error) { return a.Delete(command.Context(), orphans, planned) })
	if shown := show(command, f.format, deleted, func(row func(...string)) {
		total := int64(0)
		for _, orphan := range deleted.Deleted {
			total += orphan.Bytes
		}
		row(fmt.Sprintf("deleted %d files of %s, kept %d", len(deleted.Deleted), size(total), len(deleted.Kept)))
		for _, kept := range deleted.Kept {
			row("  kept", kept.Path, kept.Reason)
		}
	}); shown != nil {
		return shown
	}
	if err == nil && len(deleted.Kept) > 0 {
		return found()
	}
	return err
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
	for _, u := range o.Unknown {
		row(fmt.Sprintf("unknown: %d files, %s, as %s: %s", u.Files, size(u.Bytes), u.First, u.Reason))
	}
	if len(o.Empty) > 0 {
		row(fmt.Sprintf("empty directories: %d, as %s", len(o.Empty), o.Empty[0]))
	}
	row(fmt.Sprintf("%s: %d files, %d of them referred to by %d checkpoints; %d orphans of %s", o.Root, o.Files, o.Referenced, o.Checkpoints, len(o.Orphans), size(total)))
}

// size writes a size for people.
func size(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	scaled, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if scaled /= 1 << 10; scaled < 1<<10 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", scaled, unit)
}
