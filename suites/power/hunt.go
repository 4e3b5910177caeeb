package power

import (
	"time"

	"github.com/snapback/snapback/harness/explore"
)

// Strategy is a way to search for mistakes.
type Strategy string

// The strategies.
const (
	Suites  Strategy = "suites"  // Snapback's own: the catalogue, power losses, explored scenarios
	Unaided Strategy = "unaided" // Snapback's own without the catalogue, whose scenarios were written for mistakes that were known
	Kills   Strategy = "kills"   // kills processes at uniformly random moments, as other test tools do
	Rapid   Strategy = "rapid"   // explored scenarios, drawn by the library rapid
)

// Strategies lists all strategies. The first is Snapback's own.
func Strategies() []Strategy { return []Strategy{Suites, Unaided, Kills, Rapid} }

// Own lists the strategies that are Snapback's own. A campaign gives them all of its runs.
func Own() []Strategy { return []Strategy{Suites, Unaided} }

// Order tells a hunter what to do. The hunter reads the order from its standard input.
type Order struct {
	Strategy Strategy
	Seed     uint64
	RunsMax  int      // number of runs without a finding after which the hunter stops
	Wanted   []string // the ids of the requirements whose findings count; empty: all findings count
	Minimize int      // the greatest number of smaller scenarios that the hunter tries
}

// Hunted is a hunter's result. The hunter writes the result to its standard output.
type Hunted struct {
	Found   bool
	Runs    int           // number of runs until the finding; without a finding, number of all runs
	CPU     time.Duration // processor time of the hunter until the finding, including its start
	Finding Finding
	Unnamed bool           // whether the order does not name the requirement of the finding
	Stage   string         // the part of the strategy that had the finding
	Cases   []explore.Case // cases that show the mistake: first the case of the finding, then smaller and smaller cases
}

// Finding is the requirement that a mistake broke, and the problem that the hunter saw.
type Finding struct {
	Requirement string `json:"requirement"`
	Problem     string `json:"problem"`
}
