// Package harness is the map of what is imported to test an engine, and the error that all of
// it returns for a user's mistake.
//
//	harness/target    what an engine under test must offer: Target, Cluster, and one small
//	                  interface for each thing that only some clusters can do
//	harness/run       one scenario on one cluster: steps taken, faults fired, evidence gathered
//	harness/evidence  what lies on storage, read without the code that is judged
//	harness/history   what happened, as JSON lines
//	harness/oracle    history and model in, findings out
//	harness/explore   many runs: drawn by chance, every crash point, sweeps, case files
//	harness/report    console, JUnit, JSON, HTML
//	harness/targets   the engines: the reference, and real Apache Flink
//
// It starts nothing and judges nothing itself. To test an engine, implement Target of harness/target
// and give it to the Runner of harness/run.
package harness

import "fmt"

// UsageError is returned for what the user can mend: a flag, a file, a path.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a [UsageError].
func Usagef(format string, arguments ...any) error {
	return &UsageError{fmt.Errorf(format, arguments...)}
}
