package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage/filesystem"
)

// Tree lists everything below a directory, with the digest of each file. It leaves out a file that
// disappears while Tree runs.
func Tree(files filesystem.FileSystem, root string) ([]history.Entry, error) {
	entries := []history.Entry{}
	err := filesystem.Walk(files, root, func(name string, e filesystem.Entry) error {
		entry := history.Entry{Path: name, Directory: e.Directory, Size: e.Size}
		if !e.Directory {
			var err error
			entry.Digest, err = digest(files, filesystem.Join(root, name))
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		entries = append(entries, entry)
		return nil
	})
	return entries, err
}

func digest(files filesystem.FileSystem, name string) (string, error) {
	file, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// Findings is what an audit found. Paths are relative to the root.
type Findings struct {
	Dangling []string // a sentence for each `_metadata` that cannot be read, and for each missing file
	Foreign  []string // checkpoints that refer to a file outside of their job's directory
	Orphans  []string // files below a job's directory that no checkpoint refers to

	Described []history.Described // what each `_metadata` says
}

// Audit compares the files below a root with the files to which the checkpoints there refer. The
// parameter tree lists all files below the root, as [Tree] returns them. If it is nil, Audit does
// not look for orphans, which are files to which no checkpoint refers.
func Audit(files filesystem.FileSystem, root string, tree []history.Entry) (Findings, error) {
	a := &audit{files: files, root: root, used: map[string]bool{}}
	err := filesystem.Walk(files, root, func(name string, _ filesystem.Entry) error {
		if path.Base(name) == MetadataName {
			a.checkpoint(name)
		}
		return nil
	})
	if err != nil {
		return Findings{}, err
	}
	for _, e := range tree {
		job, _, _ := strings.Cut(e.Path, "/")
		if !e.Directory && jobName.MatchString(job) && !a.used[filesystem.Join(root, e.Path)] {
			a.found.Orphans = append(a.found.Orphans, e.Path)
		}
	}
	return a.found, nil
}

type audit struct {
	files filesystem.FileSystem
	root  string
	used  map[string]bool // the files to which a checkpoint refers, and each `_metadata`
	found Findings
}

// checkpoint examines one checkpoint, given the path of its `_metadata`, and adds what is wrong. If
// the checkpoint is deleted at the same time, nothing is wrong: a correct engine deletes
// `_metadata` before the files.
func (a *audit) checkpoint(name string) {
	metadata := filesystem.Join(a.root, name)
	checkpoint, err := Read(a.files, metadata)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		a.found.Dangling = append(a.found.Dangling, fmt.Sprintf("%s cannot be read: %v", name, err))
		return
	}
	a.used[metadata] = true
	dangling, foreign := a.references(name, checkpoint)
	if _, gone := a.files.Stat(metadata); gone != nil {
		return
	}
	a.found.Dangling = append(a.found.Dangling, dangling...)
	a.found.Described = append(a.found.Described, describe(a.files, a.root, filesystem.Dir(metadata), checkpoint))
	if foreign {
		a.found.Foreign = append(a.found.Foreign, path.Dir(name))
	}
}

// references looks for each file that a checkpoint refers to. It returns a sentence for each
// file that is missing, and whether a file lies outside of the job's directory.
func (a *audit) references(name string, checkpoint Checkpoint) (dangling []string, foreign bool) {
	directory := filesystem.Dir(filesystem.Join(a.root, name))
	job := filesystem.Dir(directory) + "/"
	for _, reference := range checkpoint.References {
		file, err := reference.In(directory)
		if err != nil {
			dangling = append(dangling, fmt.Sprintf("%s refers to %s: %v", name, reference.Path, err))
			continue
		}
		a.used[file] = true
		foreign = foreign || !strings.HasPrefix(file, job)
		if _, err := a.files.Stat(file); err != nil {
			dangling = append(dangling, fmt.Sprintf("%s refers to %s: %v", name, file, err))
		}
	}
	return dangling, foreign
}

// Describe says what the `_metadata` of a checkpoint or savepoint says. The parameter is its
// directory.
func Describe(files filesystem.FileSystem, root, directory string) (history.Described, error) {
	checkpoint, err := Read(files, filesystem.Join(directory, MetadataName))
	if err != nil {
		return history.Described{}, err
	}
	return describe(files, root, directory, checkpoint), nil
}

func describe(files filesystem.FileSystem, root, directory string, checkpoint Checkpoint) history.Described {
	described := history.Described{
		Path: below(root, directory), ID: checkpoint.ID, InlineMax: checkpoint.InlineMax, Operators: checkpoint.Operators,
	}
	for _, reference := range checkpoint.References {
		file, err := reference.In(directory)
		if err != nil {
			continue // the audit says so
		}
		found := int64(-1)
		if entry, err := files.Stat(file); err == nil {
			found = entry.Size
		}
		described.Files = append(described.Files, history.Reference{
			Path: below(root, file), Part: reference.Kind == Segment, Size: reference.Size, Found: found,
		})
	}
	return described
}

// below returns a name relative to the root, or the whole name if it does not lie below the root.
func below(root, name string) string {
	if relative, ok := strings.CutPrefix(name, strings.TrimSuffix(root, "/")+"/"); ok {
		return relative
	}
	return name
}
