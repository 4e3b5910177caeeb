package architecture

import (
	"fmt"
	"slices"
	"strings"
)

// rooms says, for each room of the harness, which other rooms it may import, besides itself and
// package harness with its error for users. A room is the first folder below harness.
var rooms = map[string][]string{
	"":         {},
	"history":  {},
	"evidence": {"history"},
	"target":   {"history"},
	"oracle":   {"history", "evidence"},
	"run":      {"history", "evidence", "target", "oracle"},
	"explore":  {"history", "target", "oracle", "run"},
	"report":   {"history", "oracle", "run"},
	"targets":  {"history", "target", "internal"},
	"internal": {},
}

// wrongRoom says why an edge inside of the harness is refused. A test may import any room: it
// runs what it tests.
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

// room returns the room of the harness in which a package is.
func room(name string) (room string, ours bool) {
	rest, ours := strings.CutPrefix(name+"/", Module+"/harness/")
	room, _, _ = strings.Cut(rest, "/")
	return room, ours
}
