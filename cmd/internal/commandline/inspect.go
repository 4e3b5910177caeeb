package commandline

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/storage/audit"
)

func inspectCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "inspect [flags] PATH",
		Short: "Show what a checkpoint or savepoint holds",
		Long: "Shows what a checkpoint or savepoint holds: its operators, their state and state backend, the files of\n" +
			"each operator, and the releases of Flink that can read it. Releases before 2.0 record no uids, only\n" +
			"the ids that Flink computes from them: with --uid or --uids, inspect finds the operator of each uid.",
		Example: "  snapback inspect /tmp/checkpoints/JOB/chk-7\n  snapback inspect --format json s3://bucket/savepoints/savepoint-1a2b3c-0123456789ab\n" +
			"  snapback inspect --uid orders --uid payments savepoint-1a2b3c-0123456789ab",
		Args: places("PATH"),
	}
	f.register(command)
	uids := command.Flags().StringArray("uid", nil, "`UID` of an operator; may be repeated")
	list := command.Flags().String("uids", "", "`file` with uids of operators, one on each line")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		all, err := readUIDs(*list, *uids)
		if err != nil {
			return err
		}
		inspection, err := ask(command, &f, func(a *audit.Auditor) (audit.Inspection, error) { return a.Inspect(arguments[0], all...) })
		if err != nil {
			return err
		}
		return show(command, f.format, inspection, func(row func(...string)) { f.showInspection(inspection, row) })
	}
	return command
}

// readUIDs returns the given uids, followed by the uids in a file. Each line of the file is one
// uid.
func readUIDs(file string, uids []string) ([]string, error) {
	if file == "" {
		return uids, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, harness.Usagef("--uids: %w", err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		if uid := strings.TrimSpace(line); uid != "" {
			uids = append(uids, uid)
		}
	}
	return uids, nil
}

func (f *auditFlags) showInspection(in audit.Inspection, row func(...string)) {
	kind := in.Kind
	if in.Kind == audit.UnknownKind {
		kind = "checkpoint or savepoint (not recorded)"
	}
	if in.Properties != nil && in.Properties.Format != nil {
		kind += ", " + *in.Properties.Format
	}
	row(in.Path)
	row(fmt.Sprintf("%s %d, metadata version %d, readable by Flink %s", kind, in.CheckpointID, in.Version, in.ReadableBy))
	row(fmt.Sprintf("%s, %s; %s with %s; %s inline in the metadata", report.Count(in.Totals.Operators, "operator"), report.Count(in.Totals.Handles, "handle"), report.Count(in.Totals.Files, "file"), size(in.Totals.FileBytes), size(in.Totals.InlineBytes)))
	if in.Backend != "" {
		row("keyed state: " + in.Backend)
	}
	if in.Outside.Files > 0 {
		row(fmt.Sprintf("%d of its files are outside its directory, in %s", in.Outside.Files, f.firstOf(in.Outside.Directories)))
	}
	row()
	showOperators(in, row)
	if slices.ContainsFunc(in.Operators, func(o audit.InspectedOperator) bool { return len(o.States) > 0 || o.Backend != "" }) {
		showStates(in, row)
	}
	if len(in.Files) == 0 {
		return
	}
	row()
	row("BYTES", "USES", "KIND", "FILE", "HOLDS")
	f.some(len(in.Files), row, "", func(i int) {
		file := in.Files[i]
		holds := file.UsedBy[0]
		if more := len(file.UsedBy) - 1; more > 0 {
			holds += fmt.Sprintf("; and %d more", more)
		}
		row(strconv.FormatInt(file.Bytes, 10), strconv.Itoa(file.References), file.Kind, file.Path, holds)
	})
}

// showStates lists the states by name. Metadata does not hold the names of keyed states, only the
// name of their state backend.
func showStates(in audit.Inspection, row func(...string)) {
	row()
	row("STATE OF", "NAME", "KIND", "PARTS")
	for _, o := range in.Operators {
		label := o.ID
		if o.UID != nil {
			label = *o.UID
		}
		for _, s := range o.States {
			row(label, s.Name, s.Kind, strconv.Itoa(s.Parts))
		}
		if o.Backend != "" {
			row(label, "(keyed)", o.Backend, "-")
		}
	}
}

func showOperators(in audit.Inspection, row func(...string)) {
	row("UID", "NAME", "ID", "PARALLELISM", "MAXIMUM", "STATE")
	for _, o := range in.Operators {
		state := size(o.Bytes)
		if o.FullyFinished {
			state = "finished"
		}
		uid := orDash(o.UID)
		for _, known := range in.UIDs {
			if o.UID == nil && known.ID == o.ID {
				uid = known.UID
			}
		}
		row(uid, orDash(o.Name), o.ID, strconv.Itoa(int(o.Parallelism)), strconv.Itoa(int(o.MaxParallelism)), state)
	}
	for _, known := range in.UIDs {
		if !known.Found {
			row(fmt.Sprintf("it has no operator with uid %s (id %s)", known.UID, known.ID))
		}
	}
	if len(in.UIDs) > 0 && len(in.Nameless) > 0 {
		row(fmt.Sprintf("%d operators, for example %s, have none of these uids: they have another uid, or no uid and an id that Flink generated", len(in.Nameless), in.Nameless[0]))
	}
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}
