// Package workload holds the deterministic inputs that scenarios feed to a job,
// and the models that say what must come out. docs/workloads.md specifies them for
// whoever implements a job.
//
// It runs nothing, and shares no code with any implementation.
//
// Start with [Counts].
package workload

import (
	"fmt"
	"time"
)

// CountsName is how the counts workload is called where it is asked for by name.
const CountsName = "counts"

// Names of directories and files in the directory of a job.
const (
	CommittedName = "committed"
	ProgressName  = "progress"
	FailName      = "fail" // its existence asks the job to fail
)

// Counts is the workload that counts and sums per key.
type Counts struct {
	Seed     int64         `json:"seed" yaml:"-"`
	Splits   int           `json:"splits" yaml:"splits"`
	Records  int           `json:"records" yaml:"records"` // of each split
	Keys     int           `json:"keys" yaml:"keys"`
	Pause    time.Duration `json:"pause_ns" yaml:"pause"`       // of a source after each record
	Snapshot time.Duration `json:"snapshot_ns" yaml:"snapshot"` // that the counter's snapshot takes at least
}

// Line is one line of committed output: an input record, and the count and sum of
// its key with this record included.
type Line struct {
	Split, Index int64
	Key          int64
	Value        int64
	Count, Sum   int64
}

// Total is the number of input records.
func (c Counts) Total() int { return c.Splits * c.Records }

// Input returns the key and the value of an input record.
func (c Counts) Input(split, index int64) (key, value int64) {
	x := uint64(c.Seed + split*1_000_003 + index)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return int64(x % uint64(c.Keys)), int64(x >> 40 % 1000)
}

// ParseLine reads a line of committed output.
func ParseLine(text string) (Line, error) {
	var line Line
	var rest string
	n, _ := fmt.Sscan(text, &line.Split, &line.Index, &line.Key, &line.Value, &line.Count, &line.Sum, &rest)
	if n != 6 {
		return Line{}, fmt.Errorf("committed output: want 6 numbers in a line, got %q", text)
	}
	return line, nil
}

// Validate returns the first thing wrong with the parameters.
func (c Counts) Validate() error {
	for _, field := range []struct {
		name       string
		value, max int
	}{{"splits", c.Splits, 1 << 10}, {"records", c.Records, 1 << 24}, {"keys", c.Keys, 1 << 20}} {
		if field.value < 1 || field.value > field.max {
			return fmt.Errorf("workload: %s: want 1 to %d, got %d", field.name, field.max, field.value)
		}
	}
	if c.Pause < 0 || c.Snapshot < 0 {
		return fmt.Errorf("workload: pause and snapshot: want 0 or more, got %s and %s", c.Pause, c.Snapshot)
	}
	return nil
}
