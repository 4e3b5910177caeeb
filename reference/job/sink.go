package job

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/storage/filesystem"
)

// sink writes each record exactly once, by two-phase commit: at a checkpoint the
// records since the last one go into a pending file, and when that checkpoint is
// complete the file is renamed into place. Its state is which files wait for that.
type sink struct {
	env   environment.Environment
	dir   string
	index int

	lines   []byte // since the last checkpoint
	waiting []committable
}

type committable struct {
	Checkpoint int64  `json:"checkpoint"`
	Pending    string `json:"pending"`
	Committed  string `json:"committed"`
}

func (s *sink) Open(state State) error {
	var err error
	if s.waiting, err = decodeList[committable](state); err != nil {
		return err
	}
	for _, name := range []string{"pending", "committed"} {
		if err := s.env.Files().MkdirAll(path.Join(s.dir, name)); err != nil {
			return err
		}
	}
	// What the restored checkpoint holds is committed, whether or not the
	// notification arrived before the crash.
	for _, c := range s.waiting {
		if err := s.commit(c); err != nil {
			return err
		}
	}
	s.waiting = nil
	return nil
}

func (s *sink) Process(r Record, _ func(Record) error) error {
	s.lines = fmt.Appendf(s.lines, "%d %d %d %d %d %d\n", r.Split, r.Index, r.Key, r.Value, r.Count, r.Sum)
	return nil
}

func (s *sink) Snapshot(checkpoint int64) (State, error) {
	if len(s.lines) > 0 {
		name := fmt.Sprintf("part-%d-%d-%s", s.index, checkpoint, environment.NewID(s.env))
		c := committable{checkpoint, path.Join(s.dir, "pending", name), path.Join(s.dir, "committed", name)}
		if err := filesystem.WriteFile(s.env.Files(), c.Pending, s.lines); err != nil {
			return nil, err
		}
		if err := s.env.Files().SyncDir(path.Dir(c.Pending)); err != nil {
			return nil, err
		}
		s.lines = nil
		s.waiting = append(s.waiting, c)
	}
	return encodeList(s.waiting)
}

// Commit commits everything up to the checkpoint: an earlier notification may
// have been lost.
func (s *sink) Commit(checkpoint int64) error {
	for len(s.waiting) > 0 && s.waiting[0].Checkpoint <= checkpoint {
		if err := s.commit(s.waiting[0]); err != nil {
			return err
		}
		s.waiting = s.waiting[1:]
	}
	return nil
}

// commit can be repeated: after a restore nobody knows whether it was done.
func (s *sink) commit(c committable) error {
	files := s.env.Files()
	err := files.Rename(c.Pending, c.Committed)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := files.Stat(c.Committed); err != nil {
			return fmt.Errorf("commit %s: neither pending nor committed: %w", path.Base(c.Committed), err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("commit %s: %w", path.Base(c.Committed), err)
	}
	return files.SyncDir(path.Dir(c.Committed))
}
