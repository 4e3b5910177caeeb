// Package commandline is the command line of snapback: the commands, their flags and the
// exit codes. The work is done by package harness and its sub-packages.
//
// Two programs have it. What needs large libraries is in snapback-full alone ([Heavy]).
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

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/oracle"
)

// Exit codes, as documented in docs/cli.md.
const (
	exitHolds     = 0
	exitFinding   = 1
	exitUsage     = 2
	exitInternal  = 3
	exitNotProven = 4
	exitSignal    = 128 // and the signal's number
)

// Main runs the command that the process's arguments name, and ends the process with its
// exit code. Heavy is nil in a program that links none of it.
func Main(heavy *Heavy) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signal.Ignore(syscall.SIGPIPE) // a reader that is gone is an error of writing, not the end
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		caught := <-signals
		signal.Stop(signals) // a second one ends the program at once
		cancel(&signalError{caught})
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
		Short:         "Prove that stream jobs come back",
		Long:          "Snapback kills stream jobs in the middle of a checkpoint, cancels them under every\ncleanup mode, resumes them from what was retained, and says with evidence what was\nlost, doubled or leaked.",
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

// fromEnvironment takes what was not given as a flag from its environment twin:
// SNAPBACK_FLINK_VERSION for --flink-version.
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

// verdictError carries a verdict that is not a pass out of a command that has
// said all there is to say.
type verdictError struct{ verdict oracle.Verdict }

func (e *verdictError) Error() string { return string(e.verdict) }

type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// exit prints an error, once, and returns the exit code.
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
	case oracle.Pass:
		return exitHolds
	case oracle.Fail:
		return exitFinding
	case oracle.Error:
		return exitInternal
	default:
		return exitNotProven
	}
}
