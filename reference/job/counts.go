package job

import (
	"errors"
	"fmt"
	"path"
	"time"
)

// WorkloadName is how the workload is called where it is asked for by name.
const WorkloadName = "counts"

// Counts are the parameters of the counts workload.
type Counts struct {
	Seed     int64
	Splits   int
	Records  int // of each split
	Keys     int
	Pause    time.Duration // of a source after each record
	Snapshot time.Duration // that the counter's snapshot takes at least
	Dir      string        // where input is followed and output committed; absolute path
}

// Validate returns the first thing wrong with the parameters.
func (c Counts) Validate() error {
	for _, number := range []struct {
		name  string
		value int
	}{{"splits", c.Splits}, {"records", c.Records}, {"keys", c.Keys}} {
		if number.value < 1 {
			return fmt.Errorf("workload counts: %s: want 1 or more, got %d", number.name, number.value)
		}
	}
	if c.Pause < 0 || c.Snapshot < 0 {
		return errors.New("workload counts: pause and snapshot: want 0 or more")
	}
	if !path.IsAbs(c.Dir) {
		return fmt.Errorf("workload counts: dir: want an absolute path, got %q", c.Dir)
	}
	return nil
}

// Record is one input record, and what the counter made of it.
type Record struct {
	Split, Index int64
	Key          int32
	Value        int64
	Count, Sum   int64 // of the key, this record included
}

// record computes an input record.
func (c Counts) record(split, index int64) Record {
	x := uint64(c.Seed) + uint64(split)*1000003 + uint64(index)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return Record{Split: split, Index: index, Key: int32(x % uint64(c.Keys)), Value: int64((x >> 40) % 1000)}
}

// Route says which subtask of the counter a record belongs to.
func Route(record Record, parallelism int) int {
	return subtaskOf(keyGroup(record.Key, ParallelismMax), parallelism, ParallelismMax)
}
