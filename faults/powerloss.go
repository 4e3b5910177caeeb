package faults

import (
	"fmt"

	"github.com/snapback/snapback/storage/filesystem"
)

// PowerLoss ends every process. Storage keeps what is durable; of the rest it keeps what the
// state says.
type PowerLoss struct {
	Level filesystem.Level // the model that says which states are possible
	State uint64           // the number of one of them, below 1<<63
}

func (l PowerLoss) String() string { return fmt.Sprintf("PowerLoss %s %d", l.Level, l.State) }
func (l PowerLoss) describe() string {
	return fmt.Sprintf("ends every process, and leaves of storage what is durable and what chance spares, by the %s model: state %d", l.Level, l.State)
}
func (PowerLoss) whom() Process { return "" }
func (PowerLoss) needs() string { return "powerloss" }

var ofPower = []rule{{
	name: "PowerLoss", moments: []When{AtOnce, Later, Before, After, Given},
	read:     func(p *parser) Action { return PowerLoss{p.level(), uint64(p.number("the number of a state", "", 0))} },
	examples: []Fault{at(PowerLoss{Level: filesystem.POSIX}, After, Rename, "*/_metadata")},
}}
