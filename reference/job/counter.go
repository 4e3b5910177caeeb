package job

import (
	"encoding/json"
	"time"

	"github.com/snapback/snapback/reference/environment"
)

// counter keeps, for each key, how many records it saw and the sum of their
// values.
type counter struct {
	env      environment.Environment
	snapshot time.Duration
	totals   map[int32]total
}

type total struct {
	Count int64 `json:"count"`
	Sum   int64 `json:"sum"`
}

func (c *counter) Open(state []byte) error {
	c.totals = map[int32]total{}
	return decodeState(state, &c.totals)
}

func (c *counter) Process(record Record, emit func(Record) error) error {
	updated := c.totals[record.Key]
	updated.Count++
	updated.Sum += record.Value
	c.totals[record.Key] = updated
	record.Count, record.Sum = updated.Count, updated.Sum
	return emit(record)
}

func (c *counter) Snapshot(int64) ([]byte, error) {
	c.env.Sleep(c.snapshot)
	return json.Marshal(c.totals) // sorted by key
}

func (c *counter) Commit(int64) error { return nil }
