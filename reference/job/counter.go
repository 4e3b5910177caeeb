package job

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// counter keeps, for each key, how many records it saw and the sum of their
// values.
type counter struct {
	env      environment.Environment
	snapshot time.Duration
	first    int // key groups
	last     int
	totals   map[int32]total
}

type total struct {
	Count int64 `json:"count"`
	Sum   int64 `json:"sum"`
}

func (c *counter) Open(state State) error {
	c.totals = map[int32]total{}
	if groups := c.last - c.first + 1; len(state) != 0 && len(state) != groups {
		return fmt.Errorf("the state is of %d key groups, this subtask has %d", len(state), groups)
	}
	for i, part := range state {
		if len(part) == 0 {
			continue
		}
		if err := json.Unmarshal(part, &c.totals); err != nil {
			return fmt.Errorf("key group %d: %w", c.first+i, err)
		}
	}
	return nil
}

func (c *counter) Process(record Record, emit func(Record) error) error {
	updated := c.totals[record.Key]
	updated.Count++
	updated.Sum += record.Value
	c.totals[record.Key] = updated
	record.Count, record.Sum = updated.Count, updated.Sum
	return emit(record)
}

func (c *counter) Snapshot(int64) (State, error) {
	c.env.Sleep(c.snapshot)
	groups := make([]map[int32]total, c.last-c.first+1)
	for key, of := range c.totals {
		group := &groups[keyGroup(key, ParallelismMax)-c.first]
		if *group == nil {
			*group = map[int32]total{}
		}
		(*group)[key] = of
	}
	state := make(State, len(groups))
	for i, group := range groups {
		if group == nil {
			continue // no key of it was seen
		}
		part, err := json.Marshal(group) // sorted by key
		if err != nil {
			return nil, err
		}
		state[i] = part
	}
	return state, nil
}

func (c *counter) Commit(int64) error { return nil }
