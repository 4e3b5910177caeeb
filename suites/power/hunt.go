package power

import (
	"time"

	"github.com/snapback/snapback/harness/explore"
)

// Strategy is a way to search for mistakes.
type Strategy string

// The strategies.
const (
	Suites Strategy = "suites" // Snapback's own: the catalogue, power losses, explored scenarios
	Kills  Strategy = "kills"  // kills processes at uniformly random moments, as other test tools do
	Rapid  Strategy = "rapid"  // explored scenarios, drawn by the library rapid
)

// Strategies lists all strategies. The first is Snapback's own.
func Strategies() []Strategy { return []Strategy{Suites, Kills, Rapid} }

// Order tells a hunter what to do. The hunter reads it from its standard input.
type Order struct {
	Strategy Strategy
	Seed     uint64
	RunsMax  int      // the hunter stops after this many runs without a finding
	Wanted   []string // the ids of the requirements whose findings count; empty: all
	Minimize int      // the number of smaller scenarios that the hunter tries
}

// Hunted is a hunter's result. The hunter writes it to its standard output.
type Hunted struct {
	Found   bool
	Runs    int           // runs until the finding; without a finding, all runs
	CPU     time.Duration // the processor time of the hunter until then; it includes the start
	Finding Finding
	Stage   string         // the part of the strategy that found it
	Cases   []explore.Case // cases that show the mistake: the one found, then smaller and smaller ones
}

// Finding shows a mistake.
type Finding struct {
	Requirement string `json:"requirement"`
	Problem     string `json:"problem"`
}
