package operators

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// sink writes a line for each record.
//
// With exactly-once it commits in two phases. At a checkpoint it writes the lines since the last
// checkpoint to a pending file. When the checkpoint is complete it renames the file to its final
// name. Its state is the list of pending files. With at-least-once, the sink renames the file as
// soon as the file is written.
type sink struct {
	dir    string
	format func(dataflow.Record) string

	dataflow.Context
	committables *state.List
	lines        []byte // the lines since the last checkpoint
	waiting      []committable
}

type committable struct {
	Checkpoint int64  `json:"checkpoint"`
	Pending    string `json:"pending"`
	Committed  string `json:"committed"`
}

func sinkOf(p Parameters, format func(dataflow.Record) string) func() dataflow.Operator {
	return func() dataflow.Operator { return &sink{dir: p.Dir, format: format} }
}

func (s *sink) Open(c dataflow.Context) error {
	s.Context = c
	// The directory must be durable. A power loss that removes the directory also removes the
	// committed files in it.
	if err := filesystem.MkdirDurably(s.Env.Files(), path.Join(s.dir, "committed")); err != nil {
		return err
	}
	s.committables = c.State.List("committables", metadata.SplitDistribute)
	// The pending files of the restored checkpoint are committed here, since the notification
	// may have been lost in the crash.
	for _, element := range s.committables.Elements() {
		var restored committable
		if err := json.Unmarshal(element, &restored); err != nil {
			return fmt.Errorf("a committable: %w", err)
		}
		if err := s.commit(restored); err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) Process(_ int, r dataflow.Record) error {
	s.lines = append(append(s.lines, s.format(r)...), '\n')
	return nil
}

func (s *sink) Snapshot(checkpoint int64) error {
	if len(s.lines) > 0 {
		if err := s.prepare(checkpoint); err != nil {
			return err
		}
	}
	var elements [][]byte
	for _, c := range s.waiting {
		element, err := json.Marshal(c)
		if err != nil {
			return err
		}
		elements = append(elements, element)
	}
	s.committables.Set(elements)
	return nil
}

// prepare writes the lines durably to a file whose name says that it is pending.
func (s *sink) prepare(checkpoint int64) error {
	name := fmt.Sprintf("part-%d-%d-%s", s.Index, checkpoint, environment.NewID(s.Env))
	// Both names are in one directory. A rename between two directories is two changes, and a
	// power loss may keep the removal of the old name and lose the new name.
	c := committable{checkpoint, path.Join(s.dir, "committed", "."+name), path.Join(s.dir, "committed", name)}
	if err := filesystem.WriteFile(s.Env.Files(), c.Pending, s.lines); err != nil {
		return err
	}
	if err := s.Env.Files().SyncDir(path.Dir(c.Pending)); err != nil {
		return err
	}
	s.lines = nil
	if !s.CommitWith {
		return s.commit(c)
	}
	s.waiting = append(s.waiting, c)
	return nil
}

// Commit commits the files of this checkpoint and of all earlier checkpoints, since an earlier
// notification may have been lost.
func (s *sink) Commit(checkpoint int64) error {
	for len(s.waiting) > 0 && s.waiting[0].Checkpoint <= checkpoint {
		if err := s.commit(s.waiting[0]); err != nil {
			return err
		}
		s.waiting = s.waiting[1:]
	}
	return nil
}

// commit renames a pending file to its final name. It may be called again for the same file: after
// a restore, it is unknown whether the file was committed before.
func (s *sink) commit(c committable) error {
	files := s.Env.Files()
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
