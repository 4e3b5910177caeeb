package commandline

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/storage/audit"
)

func verifyCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "verify [flags] PATH",
		Short: "Say whether a checkpoint can be restored from",
		Long: "Says whether a checkpoint or savepoint can be restored from: every file that it refers to\n" +
			"exists, has its size and can be opened. With --deep every byte is read, and checksums of\n" +
			"RocksDB's files and the digests of a seal are compared. Exit code 0 restorable, 1 not, 2 no\n" +
			"checkpoint, or one that could not be looked at.",
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
		answer, about := "restorable", "lost:    "
		switch {
		case v.Unproven:
			answer, about = "NOT KNOWN", "concerns:"
		case !v.Restorable:
			answer = "NOT restorable"
		}
		row(fmt.Sprintf("%s: %s (%d files, %s)", answer, v.Path, v.Checked.Files, size(v.Checked.Bytes)))
		f.some(len(v.Findings), row, "", func(i int) { showFinding(v.Findings[i], about, row) })
		if v.Outside.Files > 0 {
			row(fmt.Sprintf("  %d of its files lie outside this directory, in %s", v.Outside.Files, f.firstOf(v.Outside.Directories)))
		}
		if v.Checked.Checksums > 0 {
			row(fmt.Sprintf("  checksums or digests compared: of %d files; damage of the others shows in their sizes only", v.Checked.Checksums))
		}
		for _, note := range v.Notes {
			row("  note: " + note)
		}
	})
	switch {
	case err != nil || v.Restorable:
		return err
	case v.Unproven:
		return harness.Usagef("%s: it could not be looked at: %s: %s", v.Path, v.Findings[0].File, v.Findings[0].Found)
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
			Schema string `json:"schema"`
			Seal   string `json:"seal"`
			Files  int    `json:"files"`
			Bytes  int64  `json:"bytes"`
		}{sealedSchema, name, verification.Checked.Files, verification.Checked.Bytes}
		return show(command, f.format, sealed, func(row func(...string)) {
			row(fmt.Sprintf("sealed: %s (%d files, %s)", name, sealed.Files, size(sealed.Bytes)))
		})
	}
	return command
}
