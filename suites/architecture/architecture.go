// Package architecture holds the arrows of ARCHITECTURE.md. An arrow says which package may import
// which other package. The tests of this package check the arrows in the whole module.
//
// Start with [Violations].
package architecture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Module is the import path of this module.
const Module = "github.com/snapback/snapback"

// arrows says, for each top-level folder, which other top-level folders it may import.
var arrows = map[string][]string{
	"storage":   {},
	"faults":    {"storage"},
	"reference": {"storage"},
	"scenarios": {"storage", "faults"},
	"harness":   {"storage", "faults", "scenarios"},
	"suites":    {"storage", "faults", "reference", "scenarios", "harness", "cmd"},
	"cmd":       {"storage", "faults", "reference", "scenarios", "harness"},
}

// referenceTarget is the only package of the harness that knows the reference.
const referenceTarget = "harness/targets/reference"

// fileSystem is the only package of storage that faults may import.
const fileSystem = "storage/filesystem"

// containers is the only package outside the suites that may import Docker's library.
const (
	containers     = "harness/internal/container"
	testcontainers = "github.com/testcontainers/testcontainers-go"
)

// testLibraries are libraries that only suites may import. So a user of the harness does not depend
// on them.
var testLibraries = []string{
	"github.com/onsi/ginkgo", "github.com/onsi/gomega", "pgregory.net/rapid", testcontainers,
}

// Edge says that a package imports another one.
type Edge struct {
	From, To string
	Test     bool // true if the import is in a test file
}

// Violations returns a sentence for each edge that the architecture refuses.
func Violations(edges []Edge) []string {
	var refused []string
	for _, edge := range edges {
		if why := cmp.Or(refusal(edge), sharedReader(edge), wrongRoom(edge)); why != "" {
			refused = append(refused, fmt.Sprintf("%s imports %s: %s", edge.From, edge.To, why))
		}
	}
	return refused
}

func refusal(edge Edge) string {
	from, ours := strings.CutPrefix(edge.From, Module+"/")
	if !ours {
		return "the root of the module holds no package"
	}
	folder, _, _ := strings.Cut(from, "/")
	allowed, known := arrows[folder]
	if !known {
		return fmt.Sprintf("there is no folder %s in the architecture", folder)
	}
	to, ours := strings.CutPrefix(edge.To, Module+"/")
	if !ours {
		for _, library := range testLibraries {
			if folder != "suites" && strings.HasPrefix(edge.To, library) && (from != containers || library != testcontainers) {
				return "only suites may import it"
			}
		}
		return ""
	}
	target, _, _ := strings.Cut(to, "/")
	switch {
	case folder == "faults" && target == "storage" && to != fileSystem:
		return "faults know no layout of checkpoints; the target describes it to the tap"
	case target == folder || slices.Contains(allowed, target):
		return ""
	case target == "reference" && from == referenceTarget:
		return ""
	case target == "reference" && folder == "harness":
		return "the reference is only one more target; " + referenceTarget + " alone knows it"
	case folder == "reference" && (target == "faults" || target == "harness"):
		return "the reference reads as a specification; faults reach it through its environment"
	default:
		return fmt.Sprintf("%s may import %s", folder, orNothing(allowed))
	}
}

func orNothing(folders []string) string {
	if len(folders) == 0 {
		return "nothing of ours"
	}
	return strings.Join(folders, ", ")
}
