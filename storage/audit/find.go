package audit

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// find finds the checkpoint that a user names. Where there are checkpoints below, the
// error names them.
func (a *Auditor) find(pointer string) (storage.Pointer, error) {
	name, err := a.name(pointer)
	if err != nil {
		return storage.Pointer{}, &storage.NotFoundError{Why: fmt.Sprintf("checkpoint: %v", err)}
	}
	if parsed, _ := filesystem.ParseName(pointer); parsed != name {
		pointer = filesystem.URL(name) // it was moved
	}
	found, err := storage.Find(a.Files, pointer)
	var none *storage.NotFoundError
	if errors.As(err, &none) {
		if newest, text := a.below(name); newest != "" {
			return storage.Pointer{}, &storage.NotFoundError{Why: fmt.Sprintf("%q is not a checkpoint, but holds some: %s; the newest is %s", pointer, text, filesystem.URL(newest))}
		}
	}
	return found, err
}

// below lists the checkpoints in a job's directory, in words, and returns the newest.
func (a *Auditor) below(job string) (newest, text string) {
	entries, err := a.Files.List(job)
	if err != nil {
		return "", ""
	}
	var ids []int64
	for _, entry := range entries {
		id, ok := storage.ParseCheckpointName(entry.Name)
		if _, err := a.Files.Stat(filesystem.Join(job, entry.Name, storage.MetadataName)); ok && err == nil {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return a.jobsBelow(job, entries)
	}
	slices.Sort(ids)
	last := storage.CheckpointName(ids[len(ids)-1])
	text = last
	if first := storage.CheckpointName(ids[0]); first != last {
		text = fmt.Sprintf("%d from %s to %s", len(ids), first, last)
	}
	return filesystem.Join(job, last), text
}

// jobsBelow looks for the checkpoints of a job in a checkpoint directory.
func (a *Auditor) jobsBelow(root string, entries []filesystem.Entry) (newest, text string) {
	for _, entry := range entries {
		if !entry.Directory || !storage.ValidJobID(entry.Name) {
			continue
		}
		if newest, text = a.below(filesystem.Join(root, entry.Name)); newest != "" {
			return newest, fmt.Sprintf("job %s has %s", path.Base(filesystem.Dir(newest)), text)
		}
	}
	return "", ""
}

// read finds and reads the checkpoint that a user names.
func (a *Auditor) read(pointer string) (storage.Pointer, storage.Completed, error) {
	found, err := a.find(pointer)
	if err != nil {
		return storage.Pointer{}, storage.Completed{}, err
	}
	completed, err := found.Read(a.Files)
	if err != nil {
		err = fmt.Errorf("read checkpoint %q: %w", pointer, err)
	}
	return found, completed, err
}
