// Package harness says which packages an importer needs to test an engine. It also defines the
// error that these packages return for a user's mistake.
//
//	harness/target    what an engine under test must offer: Target, Cluster, and one small
//	                  interface for each thing that only some clusters can do
//	harness/run       one scenario on one cluster: takes steps, fires faults, gathers evidence
//	harness/evidence  reads storage, without code of the engine that is judged
//	harness/history   what happened in a run, as JSON lines
//	harness/oracle    compares a history with the model, and returns findings
//	harness/explore   many runs: scenarios drawn by chance, every crash point, sweeps, case files
//	harness/report    results for the console, and as JUnit, JSON and HTML
//	harness/targets   the engines: the reference, and real Apache Flink
//
// Package harness starts nothing and judges nothing itself. To test an engine, implement the
// interface Target of harness/target, and give the target to the Runner of harness/run.
package harness

import "fmt"

// UsageError is an error that the user can fix: a wrong flag, file or path.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a [UsageError].
func Usagef(format string, arguments ...any) error {
	return &UsageError{fmt.Errorf(format, arguments...)}
}
