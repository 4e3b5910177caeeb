package commandline

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/storage/audit"
)

func copyCommand() *cobra.Command {
	var f auditFlags
	command := &cobra.Command{
		Use:   "copy [flags] A B",
		Short: "Copy a checkpoint with every file that it refers to",
		Long: "Copies a checkpoint or savepoint A, with every file that it refers to, into the new directory B, and\n" +
			"rewrites the paths in the metadata. So the copy needs no file outside B. The command reads the copy\n" +
			"back and compares it with A. It writes the metadata last, so that an interrupted copy is not a\n" +
			"checkpoint. It never changes A.",
		Example: "  snapback copy /checkpoints/JOB/chk-7 s3://bucket/archive/orders-chk-7\n" +
			"  snapback copy --rebase hdfs://old/checkpoints=file:///backup/checkpoints /backup/checkpoints/JOB/chk-7 /restored/chk-7",
		Args: places("A", "B"),
	}
	f.register(command)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		copied, err := ask(command, &f, func(a *audit.Auditor) (audit.Copied, error) {
			return a.Copy(command.Context(), arguments[0], arguments[1])
		})
		var bad *audit.UnrestorableError
		var failed *audit.CopyError
		switch {
		case errors.As(err, &bad) && !errors.As(err, &failed):
			_, _ = fmt.Fprintln(command.ErrOrStderr(), "nothing was copied, because A is not restorable:")
			return showVerification(command, &f, bad.Verification)
		case err != nil:
			return err
		}
		return show(command, f.format, copied, func(row func(...string)) {
			took := time.Duration(copied.Seconds * float64(time.Second))
			row(fmt.Sprintf("copied: %s (%s, %s in %.1fs, %s); the copy was read back and compared", copied.To, report.Count(copied.Files, "file"), size(copied.Bytes), copied.Seconds, rate(copied.Bytes, took)))
		})
	}
	return command
}
