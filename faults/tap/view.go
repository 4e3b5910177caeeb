package tap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snapback/snapback/faults"
)

// View says which operations can pass through a tap. It tells, before anything runs, whether a fault
// can fire.
type View struct {
	Kinds  []faults.Kind  // the kinds of operations
	Phases []faults.Phase // the phases of checkpoints; empty: all phases

	// Directory says whether a directory in the name of a file or an object can have this name. If
	// it is nil, every name is possible.
	Directory func(name string) bool
}

// Excludes says why a fault can never fire at an operation. It returns the empty text if the fault
// can fire, or if it does not wait for an operation.
func (v View) Excludes(fault faults.Fault) string {
	if !fault.Moment.AtOperation() {
		return ""
	}
	o := fault.Moment.Operation
	if !slices.ContainsFunc(v.Kinds, o.Kind.Includes) {
		return fmt.Sprintf("there are no operations of the kind %s, but %v", o.Kind, v.Kinds)
	}
	if o.Phase != "" && len(v.Phases) > 0 && !slices.Contains(v.Phases, o.Phase) {
		return fmt.Sprintf("no operation belongs to the phase %s", o.Phase)
	}
	for _, name := range directories(o.Path) {
		if v.Directory != nil && !v.Directory(name) {
			return fmt.Sprintf("operations in a directory %q do not pass here", name)
		}
	}
	return ""
}

// directories returns the directories that a pattern names in full. In */chk-*/a/* this is a. A
// pattern that does not begin with * names a whole path, of which directories knows nothing.
func directories(pattern string) (names []string) {
	parts := strings.Split(pattern, "/")
	if !strings.HasPrefix(pattern, "*") || len(parts) < 3 {
		return nil
	}
	for _, name := range parts[1 : len(parts)-1] {
		if name != "" && !strings.Contains(name, "*") {
			names = append(names, name)
		}
	}
	return names
}
