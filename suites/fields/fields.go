// Package fields holds a table with a row for each field that a scenario can set: fields of the
// cluster, the job, the workload and the submission, and of each fault. A row says how a scenario
// sets the field, and what a run shows if the target carried out what the field says.
//
// The package judges no engine: package oracle does. It shows that no target ignores a field without
// a word. The decision is docs/decisions/0047-a-target-says-which-fields-it-honours.md.
//
// Start with [Rows] and [Bench].
package fields

import (
	"reflect"
	"slices"
	"strings"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/scenarios/workload"
)

// Row is one field, set to one value.
type Row struct {
	Field string // one of [Names]

	// Base is the text of a scenario file without the field, or with another value of it. The
	// scenario that sets the field has the text New in place of each Old.
	Base, Old, New string

	Shows string         // what a run shows if the field took effect, as in "no checkpoint is in progress"
	Seen  func(Run) bool // looks for it; false in a run of Base, so that the row can fail
	Only  string         // the name of the only target whose runs can show it; empty: all targets
}

// Rows returns the table.
func Rows() []Row {
	return slices.Concat(ofCluster, ofJob, ofWorkload, ofSubmission, ofProcesses, ofConnections, ofOperations, ofMoments)
}

// Names lists the fields that a scenario can set. The name of a field is the name of its part of a
// scenario, a dot and the name of the field in a scenario file. The name of a fault's field is the
// name of the action, a dot and the name of the field in package faults. An action without fields is
// a name by itself.
func Names() []string {
	var names []string
	for _, part := range []struct {
		name string
		of   any
	}{
		{"cluster", scenarios.Cluster{}}, {"job", scenarios.Job{}}, {"workload", workload.Workload{}}, {"submit", scenarios.Submit{}},
	} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(part.of)) {
			if name, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); name != "-" { // the harness sets a field without a name
				names = append(names, part.name+"."+name)
			}
		}
	}
	for _, fault := range faults.Catalogue() {
		names = append(names, fieldsOf(reflect.TypeOf(fault.Action))...)
	}
	names = append(names, fieldsOf(reflect.TypeFor[faults.Moment]())...)
	names = append(names, fieldsOf(reflect.TypeFor[faults.Operation]())...)
	slices.Sort(names)
	return slices.Compact(names)
}

// fieldsOf lists the exported fields of a type of package faults.
func fieldsOf(of reflect.Type) []string {
	var names []string
	for _, field := range reflect.VisibleFields(of) {
		if field.IsExported() && !field.Anonymous {
			names = append(names, of.Name()+"."+field.Name)
		}
	}
	if len(names) == 0 {
		return []string{of.Name()}
	}
	return names
}
