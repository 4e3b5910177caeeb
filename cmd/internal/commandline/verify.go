package commandline

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/storage/audit"
)

func verifyCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "verify [flags] PATH",
		Short: "Check whether a checkpoint is restorable",
		Long: "Checks whether a checkpoint or savepoint is restorable: every file that it refers to exists, has the\n" +
			"recorded size, and can be opened. With --deep it reads every byte, and compares the checksums in\n" +
			"RocksDB's files and the digests of a seal. The exit code is 0 for restorable, 1 for not restorable,\n" +
			"and 2 if PATH is no checkpoint or cannot be read.",
		Example: "  snapback verify /tmp/checkpoints/JOB/chk-7\n  snapback verify --deep s3://bucket/checkpoints/JOB/chk-7\n" +
			"  snapback verify --rebase hdfs://old/checkpoints=s3://bucket/checkpoints s3://bucket/checkpoints/JOB/chk-7",
		Args: places("PATH"),
	}
	f.register(command)
	deep := command.Flags().Bool("deep", false, "read every byte, and compare the checksums and digests that exist")
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
		if err := showVerification(command, &f, verification); err != nil || !*deep || verification.Checked.Checksums > 0 || f.format == "json" {
			return err
		}
		_, err = fmt.Fprintln(command.OutOrStdout(), "  "+noChecksum)
		return err
	}
	return command
}

// noChecksum is the warning that reading every byte proved little.
const noChecksum = "no file has a checksum or digest to compare: damage is noticed only if the size of a file changed"

// showVerification prints a verification. It returns an error unless the checkpoint is restorable.
func showVerification(command *cobra.Command, f *auditFlags, v audit.Verification) error {
	err := show(command, f.format, v, func(row func(...string)) {
		answer, about := "restorable", "lost:    "
		switch {
		case v.Unproven:
			answer, about = "UNKNOWN", "affects: "
		case !v.Restorable:
			answer = "NOT restorable"
		}
		row(fmt.Sprintf("%s: %s (%s, %s)", answer, v.Path, report.Count(v.Checked.Files, "file"), size(v.Checked.Bytes)))
		f.some(len(v.Findings), row, "", func(i int) { showFinding(v.Findings[i], about, row) })
		if v.Outside.Files > 0 {
			row(fmt.Sprintf("  %d of its files are outside this directory, in %s", v.Outside.Files, f.firstOf(v.Outside.Directories)))
		}
		if v.Checked.Checksums > 0 {
			row(fmt.Sprintf("  compared checksums or digests of %d files; damage to the other files is noticed only if their size changed", v.Checked.Checksums))
		}
		for _, note := range v.Notes {
			row("  note: " + note)
		}
	})
	switch {
	case err != nil || v.Restorable:
		return err
	case v.Unproven:
		return harness.Usagef("%s: cannot check it: %s: %s", v.Path, v.Findings[0].File, v.Findings[0].Found)
	}
	return found()
}

func showFinding(finding audit.Finding, about string, row func(...string)) {
	where := ""
	if finding.Offset != nil {
		where = fmt.Sprintf(" at offset %d", *finding.Offset)
	}
	row(fmt.Sprintf("  %s: %s%s", finding.Kind, finding.File, where))
	if finding.Meaning != "" {
		row("    means:    " + finding.Meaning)
	}
	row("    expected: " + finding.Expected)
	row("    found:    " + finding.Found)
	if finding.Operator != "" {
		row(fmt.Sprintf("    %s operator %s, %s", about, finding.Operator, finding.State))
	}
}

func sealCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "seal [flags] PATH",
		Short: "Write digests of a checkpoint's files beside it",
		Long: "Writes the digest of every file of a checkpoint into CHECKPOINT" + audit.SealSuffix + ", beside the checkpoint's\n" +
			"directory. Later, verify --deep compares the digests. A seal is useful because Flink's checkpoint\n" +
			"format has no checksums.",
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
			Schema string `json:"schema"`
			Seal   string `json:"seal"`
			Files  int    `json:"files"`
			Bytes  int64  `json:"bytes"`
		}{sealedSchema, name, verification.Checked.Files, verification.Checked.Bytes}
		return show(command, f.format, sealed, func(row func(...string)) {
			row(fmt.Sprintf("sealed: %s (%s, %s)", name, report.Count(sealed.Files, "file"), size(sealed.Bytes)))
		})
	}
	return command
}
