package metadata

// Paths says how the paths in a checkpoint change when the checkpoint is moved.
type Paths struct {
	// File returns the new path of a [*File], a [*RelativeFile] or a [*Segment].
	File func(Stream) (string, error)
	// Directory returns the new path of a directory that contains merged files.
	Directory func(string) (string, error)
}

// Rewrite replaces all paths in the checkpoint. If it fails, it may have replaced only some of
// them.
func (c *Checkpoint) Rewrite(paths Paths) error {
	for reference := range c.References() {
		if err := paths.rewrite(reference.Stream); err != nil {
			return err
		}
	}
	for i := range c.Operators {
		for j := range c.Operators[i].Subtasks {
			s := &c.Operators[i].Subtasks[j]
			for _, h := range []OperatorHandle{s.ManagedOperator, s.RawOperator} {
				if err := paths.rewriteDirectories(h); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p Paths) rewrite(s Stream) (err error) {
	switch s := s.(type) {
	case *File:
		s.Path, err = p.File(s)
	case *RelativeFile:
		s.Path, err = p.File(s)
	case *Segment:
		s.Path, err = p.File(s)
	}
	return err
}

func (p Paths) rewriteDirectories(h OperatorHandle) (err error) {
	merged, ok := h.(*FileMergingOperator)
	if !ok {
		return nil
	}
	for _, dir := range []*string{&merged.TaskOwnedDir, &merged.SharedDir} {
		if *dir == "" {
			continue
		}
		if *dir, err = p.Directory(*dir); err != nil {
			return err
		}
	}
	return nil
}
