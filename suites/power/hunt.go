package power

import (
	"time"

	"github.com/snapback/snapback/harness/explore"
)

// Strategy is a way to look for mistakes.
type Strategy string

// The strategies.
const (
	Suites Strategy = "suites" // Snapback's own: scenarios, power losses, what chance draws
	Kills  Strategy = "kills"  // processes killed at moments drawn uniformly, as the field does
	Rapid  Strategy = "rapid"  // what chance draws, drawn by the library rapid alone
)

// Strategies lists them; the first is Snapback's own.
func Strategies() []Strategy { return []Strategy{Suites, Kills, Rapid} }

// Order says what a hunter is to do. It is its standard input.
type Order struct {
	Strategy Strategy
	Seed     uint64
	RunsMax  int      // without a finding
	Wanted   []string // requirements, one of which the finding has to name; none: any
	Minimize int      // how many smaller scenarios are tried
}

// Hunted is what a hunter came to. It is its standard output.
type Hunted struct {
	Found   bool
	Runs    int           // to the finding, or without one
	CPU     time.Duration // of the hunter until then, its start included
	Finding Finding
	Stage   string         // of the strategy, in which it was found
	Cases   []explore.Case // that show it: as found, then ever smaller
}

// Finding is what shows a mistake.
type Finding struct {
	Requirement string `json:"requirement"`
	Problem     string `json:"problem"`
}
