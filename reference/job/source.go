package job

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/storage/filesystem"
)

// source reads its share of the splits, one after the other. Its state is how far
// it has come in each.
type source struct {
	env         environment.Environment
	counts      Counts
	index       int
	parallelism int

	positions []position
	progress  filesystem.File // of the split being read
	reading   int64           // that split; -1 before the first
}

type position struct {
	Split int64 `json:"split"`
	Next  int64 `json:"next"`
}

func (s *source) Open(state State) error {
	s.reading = -1
	for split := s.index; split < s.counts.Splits; split += s.parallelism {
		s.positions = append(s.positions, position{Split: int64(split)})
	}
	if state == nil {
		return nil
	}
	fresh := s.positions
	var err error
	if s.positions, err = decodeList[position](state); err != nil {
		return err
	}
	return s.fits(fresh)
}

// fits says whether the restored positions are in the input that this subtask is
// to read: the state of a job with other parameters must not pass for its own.
func (s *source) fits(fresh []position) error {
	if len(s.positions) != len(fresh) {
		return fmt.Errorf("the state is of %d splits, this subtask reads %d", len(s.positions), len(fresh))
	}
	for i, at := range s.positions {
		if at.Split != fresh[i].Split || at.Next < 0 || at.Next > int64(s.counts.Records) {
			return fmt.Errorf("the state is at record %d of split %d; this subtask reads %d records of split %d",
				at.Next, at.Split, s.counts.Records, fresh[i].Split)
		}
	}
	return nil
}

func (s *source) Next() (Record, bool, error) {
	for i := range s.positions {
		at := &s.positions[i]
		if at.Next == int64(s.counts.Records) {
			continue
		}
		if err := s.follow(*at); err != nil {
			return Record{}, false, err
		}
		record := s.counts.record(at.Split, at.Next)
		at.Next++
		return record, true, nil
	}
	return Record{}, false, nil
}

// follow leaves a trace of the record about to be emitted, and fails if the
// workload was asked to.
func (s *source) follow(at position) error {
	if s.reading != at.Split {
		if err := s.openProgress(at); err != nil {
			return err
		}
	}
	if _, err := s.progress.Write([]byte{'.'}); err != nil {
		return err
	}
	asked := path.Join(s.counts.Dir, "fail")
	_, err := s.env.Files().Stat(asked)
	if err == nil {
		return fmt.Errorf("asked to fail by %s", asked)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *source) openProgress(at position) error {
	dir := path.Join(s.counts.Dir, "progress")
	if err := s.env.Files().MkdirAll(dir); err != nil {
		return err
	}
	name := fmt.Sprintf("split-%d-from-%d-%s", at.Split, at.Next, environment.NewID(s.env))
	file, err := s.env.Files().Create(path.Join(dir, name))
	if err != nil {
		return err
	}
	s.progress, s.reading = file, at.Split
	return nil
}

func (s *source) Snapshot(int64) (State, error) { return encodeList(s.positions) }

// Process is never called: a source has no input.
func (s *source) Process(Record, func(Record) error) error {
	return errors.New("a record was sent to a source")
}

func (s *source) Commit(int64) error { return nil }
