package operators

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// watermarkEvery is the number of records between two watermarks of a source.
const watermarkEvery = 8

// source reads its share of the splits, one record from each split in turn. Splits that are idle at
// first come after all others. The state of a source is its position in each split. After a change of parallelism other subtasks read some of the splits.
type source struct {
	dataflow.Unprocessed
	parameters Parameters
	records    func(split, index int64) dataflow.Record
	watermark  func(index int64) int64 // returns the watermark of a split that was read up to index; nil without event time
	untraced   bool                    // whether the source writes no progress, because its records are not part of the workload's input

	dataflow.Context
	splits   *state.List
	reading  []*position
	turn     int
	produced int
}

// position says how far a split was read.
type position struct {
	Split    int64           `json:"split"`
	Next     int64           `json:"next"`
	progress filesystem.File // the file that gets one byte for each record; nil before the first record
}

func (s *source) Open(c dataflow.Context) error {
	s.Context = c
	s.splits = c.State.List("splits", metadata.SplitDistribute)
	if !c.Restored {
		for split := s.Index; split < s.parameters.Splits; split += s.Parallelism {
			s.reading = append(s.reading, &position{Split: int64(split)})
		}
	}
	for _, element := range s.splits.Elements() {
		at := &position{}
		if err := json.Unmarshal(element, at); err != nil {
			return fmt.Errorf("a split's position: %w", err)
		}
		if at.Split < 0 || at.Next < 0 || at.Next > s.parameters.length(at.Split) {
			return fmt.Errorf("the state is at record %d of split %d; the split has %d records", at.Next, at.Split, s.parameters.length(at.Split))
		}
		s.reading = append(s.reading, at)
	}
	return nil
}

func (s *source) Pause() time.Duration { return s.parameters.Pause }

func (s *source) Next() (bool, error) {
	at := cmp.Or(s.due(false), s.due(true))
	if at == nil {
		return false, nil
	}
	if !s.untraced {
		if err := s.trace(at); err != nil {
			return false, err
		}
	}
	s.Emit(s.records(at.Split, at.Next))
	at.Next++
	s.emitWatermark()
	return true, nil
}

// due returns the split from which the next record is read: one of the splits that are idle at
// first, or one of the others. It returns nil if there is no such split with a record left.
func (s *source) due(idle bool) *position {
	for range s.reading {
		at := s.reading[s.turn%len(s.reading)]
		s.turn++
		if !s.ended(at) && idle == (at.Split < int64(s.parameters.Idle)) {
			return at
		}
	}
	return nil
}

// ended says whether a split was read to its end.
func (s *source) ended(at *position) bool { return at.Next == s.parameters.length(at.Split) }

// emitWatermark emits a watermark after every few records. Each split has a watermark of its own.
// Of all splits that are not read to the end, the source emits the earliest watermark.
func (s *source) emitWatermark() {
	if s.produced++; s.watermark == nil || s.produced%watermarkEvery != 0 {
		return
	}
	earliest := int64(math.MaxInt64)
	for _, at := range s.reading {
		if !s.ended(at) {
			earliest = min(earliest, s.watermark(at.Next))
		}
	}
	if earliest < math.MaxInt64 {
		s.Watermark(earliest)
	}
}

// trace writes one byte to the progress file of the split, for the record that is emitted next. It
// fails if the workload's directory has a file named "fail", by which a scenario makes the job
// fail.
func (s *source) trace(at *position) error {
	if at.progress == nil {
		if err := s.openProgress(at); err != nil {
			return err
		}
	}
	if _, err := at.progress.Write([]byte{'.'}); err != nil {
		return err
	}
	asked := path.Join(s.parameters.Dir, "fail")
	_, err := s.Env.Files().Stat(asked)
	if err == nil {
		return fmt.Errorf("asked to fail by %s", asked)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *source) openProgress(at *position) (err error) {
	dir := path.Join(s.parameters.Dir, "progress")
	if err := s.Env.Files().MkdirAll(dir); err != nil {
		return err
	}
	name := fmt.Sprintf("split-%d-from-%d-%s", at.Split, at.Next, environment.NewID(s.Env))
	at.progress, err = s.Env.Files().Create(path.Join(dir, name))
	return err
}

func (s *source) Snapshot(int64) error {
	var elements [][]byte
	for _, at := range s.reading {
		element, err := json.Marshal(at)
		if err != nil {
			return err
		}
		elements = append(elements, element)
	}
	s.splits.Set(elements)
	return nil
}
