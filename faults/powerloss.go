package faults

import (
	"fmt"

	"github.com/snapback/snapback/storage/filesystem"
)

// PowerLoss kills every process. Storage keeps all durable data. The fields Level and State say
// which other data it keeps.
type PowerLoss struct {
	Level filesystem.Level // the model that says which states are possible
	State uint64           // the number of one of the possible states; it must be below 1<<63
}

func (l PowerLoss) String() string { return fmt.Sprintf("PowerLoss %s %d", l.Level, l.State) }
func (l PowerLoss) describe() string {
	return fmt.Sprintf("kills every process; storage keeps durable data, and some other data: state %d of the %s model", l.State, l.Level)
}
func (PowerLoss) whom() Process { return "" }
func (PowerLoss) needs() string { return "powerloss" }

var ofPower = []rule{{
	name: "PowerLoss", moments: []When{AtOnce, Later, Before, After, Given},
	read:     func(p *parser) Action { return PowerLoss{p.level(), uint64(p.number("the number of a state", "", 0))} },
	examples: []Fault{at(PowerLoss{Level: filesystem.POSIX}, After, Rename, "*/_metadata")},
}}
