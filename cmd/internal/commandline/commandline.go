// Package commandline is the command line of snapback: the commands, their flags and the exit
// codes. The packages below harness run scenarios. Package audit examines checkpoints.
//
// The programs snapback and snapback-full share this package. Only snapback-full passes a [Heavy]
// to [Main].
//
// Start with [Main].
package commandline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/oracle"
)

// These are the exit codes. The file docs/cli.md describes them.
const (
	exitHolds     = 0
	exitFinding   = 1
	exitUsage     = 2
	exitInternal  = 3
	exitNotProven = 4
	exitSignal    = 128 // plus the number of the signal
)

// stopMax is the longest time that a command may need to end in order after a signal. Then the
// program ends. What it started, mounted or created is removed by its leases (package lease).
const stopMax = 4500 * time.Millisecond

// Main runs the command that the process's arguments name, and ends the process with its exit code.
// The program snapback passes nil for the parameter heavy.
func Main(heavy *Heavy) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe must return an error, and not end the process
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		caught := <-signals
		signal.Stop(signals) // a second signal ends the program at once
		stopped := &signalError{caught}
		cancel(stopped)
		time.Sleep(stopMax)
		_, _ = fmt.Fprintf(os.Stderr, "snapback: something did not end within %s, so no report is written\n", stopMax)
		os.Exit(exit(stopped))
	}()
	err := root(heavy).ExecuteContext(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	os.Exit(exit(err))
}

func root(heavy *Heavy) *cobra.Command {
	command := &cobra.Command{
		Use:           "snapback",
		Short:         "Test whether stream jobs recover",
		Long:          "Snapback kills stream jobs in the middle of a checkpoint, cancels them under every cleanup mode,\nand resumes them from retained checkpoints. Then it reports, with evidence, which records were\nlost or doubled, and which files were leaked.",
		Example:       "  snapback run recovery/kill-taskmanager-mid-checkpoint\n  snapback run --target flink 'recovery/**'\n  snapback list scenarios",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(command *cobra.Command, _ []string) error {
			return fromEnvironment(command.Flags())
		},
	}
	command.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return harness.Usagef("%w; see: %s --help", err, c.CommandPath())
	})
	command.SetHelpTemplate("{{or .Long .Short}}\n\n{{with .Example}}Examples:\n{{.}}\n\n{{end}}{{.UsageString}}")
	command.SetUsageTemplate(strings.Replace(command.UsageTemplate(), "{{if .HasExample}}\n\nExamples:\n{{.Example}}{{end}}", "", 1))
	command.AddCommand(runCommand(heavy), exploreCommand(), crashCommand(), replayCommand(), lsCommand(), inspectCommand(), verifyCommand(), orphansCommand(), diffCommand(), sealCommand(), depsCommand(), copyCommand(), expireCommand(), compatCommand(), listCommand(), doctorCommand(), versionCommand(), referenceCommand(heavy))
	return command
}

// fromEnvironment sets flags from environment variables. It changes only flags that the user did
// not give. The variable for --flink-version is SNAPBACK_FLINK_VERSION. The flag --delete has no
// variable.
func fromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(flag *pflag.Flag) {
		name := "SNAPBACK_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if !set || flag.Changed || failed != nil || flag.Name == deleteFlag {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			failed = harness.Usagef("%s=%s: %w", name, value, err)
		}
	})
	return failed
}

// verdictError is the error of a command that has already printed its result. The verdict decides
// the exit code.
type verdictError struct{ verdict oracle.Verdict }

func (e *verdictError) Error() string { return string(e.verdict) }

type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// exit returns the exit code for an error. It prints the error, unless the error is a verdictError.
func exit(err error) int {
	var verdict *verdictError
	var usage *harness.UsageError
	var caught *signalError
	switch {
	case err == nil:
		return exitHolds
	case errors.As(err, &verdict):
		return exitOf(verdict.verdict)
	case errors.As(err, &caught):
		_, _ = fmt.Fprintln(os.Stderr, "snapback: stopped by", caught)
		if number, ok := caught.signal.(syscall.Signal); ok {
			return exitSignal + int(number)
		}
		return exitInternal
	}
	_, _ = fmt.Fprintln(os.Stderr, "snapback:", err)
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		return exitUsage
	}
	return exitInternal
}

func exitOf(verdict oracle.Verdict) int {
	switch verdict {
	case oracle.Pass, oracle.ExpectedFailure:
		return exitHolds
	case oracle.Fail, oracle.UnexpectedPass:
		return exitFinding
	case oracle.Error:
		return exitInternal
	default:
		return exitNotProven
	}
}
