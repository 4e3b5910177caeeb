package architecture

import "strings"

const (
	evidence         = Module + "/harness/evidence"
	theFileSystem    = Module + "/storage/filesystem" // holds only the interface to storage
	metadataReader   = Module + "/storage/metadata"
	referencesTarget = Module + "/" + referenceTarget
)

// sharedReader says why an edge is wrong if it lets the harness judge an engine with the engine's
// own code. A mistake in that code would not be found. It returns nothing for any other edge.
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

// within says whether a package is another one or lies below it.
func within(name, root string) bool { return name == root || strings.HasPrefix(name, root+"/") }
