package architecture

import (
	"fmt"
	"slices"
	"strings"
)

// rooms says which other rooms each room of the harness may import. A room is a folder directly
// below harness. Each room may also import itself, and package harness, which defines the error for
// users.
var rooms = map[string][]string{
	"":         {},
	"history":  {},
	"evidence": {"history"},
	"target":   {"history"},
	"oracle":   {"history", "evidence"},
	"expected": {"history", "oracle"},
	"run":      {"history", "evidence", "target", "oracle", "expected"},
	"explore":  {"history", "target", "oracle", "expected", "run"},
	"report":   {"history", "oracle", "expected", "run"},
	"targets":  {"history", "target", "internal"},
	"internal": {},
}

// wrongRoom says why an edge between two rooms of the harness is refused. A test may import any
// room, because it runs the code that it tests.
func wrongRoom(edge Edge) string {
	from, ours := room(edge.From)
	to, also := room(edge.To)
	if !ours || !also || edge.Test || from == to || to == "" {
		return ""
	}
	allowed, known := rooms[from]
	switch {
	case !known:
		return fmt.Sprintf("the harness has no room %s in the architecture", from)
	case slices.Contains(allowed, to):
		return ""
	case from == "targets" && to == "run":
		return "a target is driven by run, and does not know it"
	}
	return fmt.Sprintf("harness/%s may import %s", from, orNothing(allowed))
}

// room returns the room of the harness to which a package belongs. It returns false for a package
// outside of the harness.
func room(name string) (room string, ours bool) {
	rest, ours := strings.CutPrefix(name+"/", Module+"/harness/")
	room, _, _ = strings.Cut(rest, "/")
	return room, ours
}
