package commandline

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/audit"
	"github.com/snapback/snapback/storage/filesystem/place"
	"github.com/snapback/snapback/storage/filesystem/schemes"
	"github.com/snapback/snapback/storage/metadata"
)

// Without --verbose, a list shows at most shownMax lines.
const shownMax = 20

// auditFlags are the flags that all commands on stored checkpoints share.
type auditFlags struct {
	format  string
	moved   []string
	planned []audit.Move // the moves that --rebase gave when the plan was made
	verbose bool
	quiet   bool
}

func (f *auditFlags) register(command *cobra.Command) {
	formatFlag(command, &f.format)
	flags := command.Flags()
	flags.StringArrayVar(&f.moved, "rebase", nil, "`FROM=TO`: where metadata refers to a path under FROM, look under TO instead; may be repeated")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show complete lists, and every step")
	flags.BoolVar(&f.quiet, "quiet", false, "show no progress")
}

// auditor returns an auditor that uses these flags, and the progress display to which the auditor
// reports.
func (f *auditFlags) auditor(command *cobra.Command) (*audit.Auditor, *progress, error) {
	places := place.FromEnvironment()
	a := &audit.Auditor{Files: schemes.At(places), Places: places}
	for _, text := range f.moved {
		from, to, _ := strings.Cut(text, "=")
		if strings.Contains(text, "=") {
			text = fromHere(from) + "=" + fromHere(to)
		}
		move, err := audit.ParseMove(text)
		if err != nil {
			return nil, nil, harness.Usagef("--rebase: %w", err)
		}
		a.Moved = append(a.Moved, move)
	}
	for _, move := range f.planned {
		if !slices.Contains(a.Moved, move) {
			a.Moved = append(a.Moved, move)
		}
	}
	if err := checkFormat(f.format); err != nil {
		return nil, nil, err
	}
	shown := newProgress(command.ErrOrStderr(), f.verbose, f.quiet)
	began := time.Now()
	a.Progress = func(what string, done, of int64) { shown.say(progressLine(what, done, of, time.Since(began))) }
	return a, shown, nil
}

// progressLine returns a line that says how much of a step is done. For bytes the line also has the
// throughput. The parameter of is the size of the whole step, or 0 if it is unknown; took is the
// time since the step began.
func progressLine(what string, done, of int64, took time.Duration) string {
	switch {
	case strings.HasPrefix(what, "bytes"):
		return fmt.Sprintf("%s: %s of %s, %s", what, size(done), size(of), rate(done, took))
	case of > 0:
		return fmt.Sprintf("%s: %d of %d", what, done, of)
	}
	return fmt.Sprintf("%s: %d", what, done)
}

// rate formats a throughput for the user.
func rate(bytes int64, took time.Duration) string {
	return size(int64(float64(bytes)/max(took.Seconds(), 0.001))) + "/s"
}

// ask calls the function question with an auditor, and returns the answer of this function. It
// returns the answer together with the error, because the answer may be useful although a part of
// it is missing. If the user can fix the cause of an error, ask returns a usage error.
func ask[Answer any](command *cobra.Command, f *auditFlags, question func(a *audit.Auditor) (Answer, error)) (Answer, error) {
	a, shown, err := f.auditor(command)
	if err != nil {
		var none Answer
		return none, err
	}
	answer, err := question(a)
	shown.done(func() {})
	if err == nil {
		err = a.Unmatched()
	}
	return answer, usage(err)
}

// denied turns an error about missing permissions into a usage error. The command has already
// printed everything that it could read.
func denied(err error) error {
	if err != nil {
		return &harness.UsageError{Err: err}
	}
	return nil
}

// some() prints a list of n items: it calls one(i), which prints the row of item i, for each i from
// 0 to n-1. Without --verbose it stops after shownMax items, and adds a row that says how many
// items it left out.
func (f *auditFlags) some(n int, row func(...string), indent string, one func(i int)) {
	for i := range n {
		if i == shownMax && !f.verbose {
			row(fmt.Sprintf("%s… and %d more; --verbose shows all", indent, n-i))
			return
		}
		one(i)
	}
}

// firstOf returns one line with the first three places and the number of the other places. With
// --verbose the line has all places.
func (f *auditFlags) firstOf(places []string) string {
	const shown = 3
	if more := len(places) - shown; more > 0 && !f.verbose {
		places = append(slices.Clone(places[:shown]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(places, ", ")
}

// places checks that a command gets one argument for each name. It makes arguments that are local
// paths absolute.
func places(names ...string) cobra.PositionalArgs {
	return func(command *cobra.Command, given []string) error {
		if len(given) != len(names) {
			return harness.Usagef("%s: want %s, got %d arguments", command.CommandPath(), strings.Join(names, " and "), len(given))
		}
		for i, place := range given {
			given[i] = fromHere(place)
		}
		return nil
	}
}

// pathsVar defines a flag that may be repeated. Each of its values is a path or a URL.
func pathsVar(command *cobra.Command, values *[]string, name, help string) {
	command.Flags().Var(&paths{values}, name, help)
}

type paths struct{ values *[]string }

func (p *paths) Set(text string) error {
	*p.values = append(*p.values, fromHere(text))
	return nil
}

func (p *paths) String() string { return "" }
func (p *paths) Type() string   { return "stringArray" }

// fromHere makes a local path absolute. It returns a URL unchanged.
func fromHere(text string) string {
	if text == "" || strings.Contains(text, ":") {
		return text
	}
	if absolute, err := absolute(text); err == nil {
		return absolute
	}
	return text
}

// absolute makes a path absolute. It follows symbolic links before it resolves "..", as the kernel
// does.
func absolute(path string) (string, error) {
	if !slices.Contains(strings.Split(path, "/"), "..") {
		return filepath.Abs(path)
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		resolved = path // the error comes later, when the path is used
	}
	return filepath.Abs(resolved)
}

// usage turns an error into a usage error if the user can fix its cause. For example, a path does
// not exist, or this user may not read it.
func usage(err error) error {
	if err == nil {
		return nil
	}
	for _, mistake := range []any{
		new(*storage.NotFoundError), new(*storage.UnreachableError), new(*place.UnknownError), new(*metadata.Error),
		new(*audit.SealedError), new(*audit.UnmatchedMoveError), new(*audit.SeveralJobsError), new(*audit.CopyError),
	} {
		if errors.As(err, mistake) {
			return &harness.UsageError{Err: err}
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return &harness.UsageError{Err: err}
	}
	return err
}

// found returns the error that gives exit code 1: the command found something wrong.
func found() error { return &verdictError{oracle.Fail} }

// unproven returns the error that gives exit code 4: the command could not find out the answer.
func unproven() error { return &verdictError{oracle.Void} }

// size formats a number of bytes for the user.
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
