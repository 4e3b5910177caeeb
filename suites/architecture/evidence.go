package architecture

import "strings"

const (
	evidence         = Module + "/harness/evidence"
	theFileSystem    = Module + "/storage/filesystem" // holds only the interface to storage
	metadataReader   = Module + "/storage/metadata"
	referencesTarget = Module + "/" + referenceTarget
)

// sharedReader checks one edge. The harness must not judge an engine with the engine's own code,
// because it would not find a mistake in that code. sharedReader says why the edge breaks this
// rule, or returns nothing.
func sharedReader(edge Edge) string {
	storage := within(edge.To, Module+"/storage")
	switch {
	case within(edge.From, evidence) && storage && edge.To != theFileSystem:
		return "evidence shares no code with what it looks at; of storage it may import the interface storage/filesystem"
	case within(edge.From, Module+"/harness") && edge.From != referencesTarget && within(edge.To, metadataReader):
		return "the harness reads _metadata with harness/evidence alone"
	}
	return ""
}

// within says whether the first package is the second package or lies below it.
func within(name, root string) bool { return name == root || strings.HasPrefix(name, root+"/") }
