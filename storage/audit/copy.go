package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// CopySchema names the format of a [Copied].
const CopySchema = "snapback/copy/1"

// Copied describes a copy that is complete.
type Copied struct {
	Schema  string  `json:"schema"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Files   int     `json:"files"` // number of copied files, including the metadata file
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// CopyError says why a checkpoint was not copied. The source is unchanged. The target directory is
// not a checkpoint.
type CopyError struct {
	To      string
	Left    bool // whether files may have been left in the target directory
	Because error
}

func (e *CopyError) Error() string {
	left := "nothing is left at the target"
	if e.Left {
		left = e.To + " is not a checkpoint, but files are left in it: delete them by hand"
	}
	return fmt.Sprintf("copy to %s: %v; the source is untouched, and %s", e.To, e.Because, left)
}

// Unwrap returns the cause.
func (e *CopyError) Unwrap() error { return e.Because }

// copiesMax is the largest number of files that are copied at the same time.
const copiesMax = 8

// Copy copies a checkpoint and all files that it needs into a new directory. The copy does not
// depend on any file outside this directory. Relative paths stay relative. Absolute paths are
// replaced by the paths of the new files. Copy writes the metadata last, so an interrupted copy is
// not a checkpoint. At the end it reads the whole copy and compares digests.
func (a *Auditor) Copy(ctx context.Context, from, to string) (Copied, error) {
	began := time.Now()
	c, err := a.copier(ctx, from, to)
	if err != nil {
		return Copied{}, err
	}
	err = c.claim()
	if err == nil {
		err = c.copy(ctx)
	}
	if err != nil {
		return Copied{}, &CopyError{To: filesystem.URL(c.to), Left: c.cleanUp() != nil, Because: err}
	}
	if err := a.Files.Remove(c.mark()); err != nil {
		return Copied{}, fmt.Errorf("the checkpoint was copied, but %s cannot be deleted: %w", filesystem.URL(c.mark()), err)
	}
	return Copied{
		Schema: CopySchema, From: filesystem.URL(c.from.Location), To: filesystem.URL(c.to), Files: len(c.files) + 1, Bytes: c.done.Load(),
		Seconds: time.Since(began).Seconds(),
	}, nil
}

// copier copies one checkpoint.
type copier struct {
	*Auditor
	from     storage.Pointer
	to       string
	data     []byte    // content of the metadata file when the copy began
	verified *verifier // the verifier that has checked the source
	files    []copiedFile
	targets  map[string]string // the new name of each file; the key is the current name
	dirs     map[string]string // the new directory of merged files; the key is the current directory
	total    int64
	done     atomic.Int64

	mu      sync.Mutex
	seal    Seal     // digests of the bytes that were read from the source
	created []string // files that this copy has created, in the order of creation
}

type copiedFile struct{ from, to string }

// copier checks the source and the target, and returns a copier for them. It changes nothing on
// storage.
func (a *Auditor) copier(ctx context.Context, from, to string) (*copier, error) {
	found, err := a.find(from)
	if err != nil {
		return nil, err
	}
	target, err := a.name(to)
	if err != nil {
		return nil, &storage.NotFoundError{Why: fmt.Sprintf("target: %v", err)}
	}
	if err := a.isFree(found, target, to); err != nil {
		return nil, err
	}
	c := &copier{
		Auditor: a, from: found, to: target, targets: map[string]string{}, dirs: map[string]string{}, seal: Seal{Schema: SealSchema, Files: map[string]Digest{}},
		verified: &verifier{Auditor: a, location: found.Location, depth: Shallow, files: direct{a.Files}},
	}
	result, err := c.verified.verify(ctx, found)
	if err != nil {
		return nil, err
	}
	if !result.Restorable {
		return nil, &UnrestorableError{Verification: result}
	}
	c.plan()
	return c, nil
}

// isFree checks that the target does not exist, or is an empty directory. It also checks that no
// job writes into the target.
func (a *Auditor) isFree(found storage.Pointer, target, text string) error {
	if a.isSame(target, found.Location) {
		return &storage.NotFoundError{Why: fmt.Sprintf("target %q is the checkpoint to copy", text)}
	}
	for dir := filesystem.Dir(target); !filesystem.IsRoot(dir); dir = filesystem.Dir(dir) {
		if a.isSame(dir, found.Location) {
			return &storage.NotFoundError{Why: fmt.Sprintf("target %q is inside the checkpoint to copy: name a directory elsewhere", text)}
		}
		if isStateDirectory(path.Base(dir)) && a.jobAround(dir) == filesystem.Dir(dir) {
			return &storage.NotFoundError{Why: fmt.Sprintf("target %q is inside a job's directory for state: name a directory elsewhere", text)}
		}
	}
	job := filesystem.Dir(found.Location)
	if a.isSame(filesystem.Dir(target), job) && (storage.ValidJobID(path.Base(job)) || a.hasState(job)) {
		return &storage.NotFoundError{Why: fmt.Sprintf("target %q is in the job's directory, to which the job writes: name a directory elsewhere", text)}
	}
	switch held, err := a.Files.List(target); {
	case err == nil && len(held) == 0:
		return nil
	case err == nil:
		return &storage.NotFoundError{Why: fmt.Sprintf("target %q exists, and is not empty: name a new directory, or delete the files of an interrupted copy", text)}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		if entry, statErr := a.Files.Stat(target); statErr == nil && !entry.Directory {
			return &storage.NotFoundError{Why: fmt.Sprintf("target %q exists, and is a file: name a new directory", text)}
		}
		return &storage.UnreachableError{What: fmt.Sprintf("target %q", text), Err: err}
	}
}

func (a *Auditor) isSame(one, other string) bool {
	first, err := a.Files.Stat(one)
	if err != nil {
		return false
	}
	second, err := a.Files.Stat(other)
	return err == nil && a.key(one, first) == a.key(other, second)
}

// UnrestorableError says that an operation needs a restorable checkpoint, and that the given
// checkpoint is not restorable.
type UnrestorableError struct{ Verification Verification }

func (e *UnrestorableError) Error() string {
	first := e.Verification.Findings[0]
	return fmt.Sprintf("%s is not restorable: %s: %s: %s; see snapback verify", e.Verification.Path, first.Kind, first.File, first.Found)
}

// plan chooses a new name for each file. Most files go into the target directory itself, as in a
// savepoint. Files that Flink merged (its option of file merging) go into directories below the
// target, because Flink deletes such a directory as a whole.
func (c *copier) plan() {
	merged := map[string]bool{}
	for _, operator := range c.verified.checkpoint.Operators {
		for _, subtask := range operator.Subtasks {
			for _, h := range []metadata.OperatorHandle{subtask.ManagedOperator, subtask.RawOperator} {
				if h, ok := h.(*metadata.FileMergingOperator); ok {
					merged[c.movedURL(h.TaskOwnedDir)], merged[c.movedURL(h.SharedDir)] = true, true
				}
			}
		}
	}
	for _, f := range c.verified.referenced {
		dir := filesystem.Dir(f.name)
		into := c.to
		if isSegment(f) && dir != c.from.Location || merged[dir] {
			into = c.mergedInto(dir)
		}
		c.targets[f.name] = filesystem.Join(into, uuid.NewString())
		c.files = append(c.files, copiedFile{f.name, c.targets[f.name]})
		c.total += f.entry.Size
	}
	for dir := range merged {
		if dir != "" {
			c.mergedInto(dir)
		}
	}
}

// mergedInto returns the new directory for the merged files that are now in the directory dir.
func (c *copier) mergedInto(dir string) string {
	if c.dirs[dir] == "" {
		c.dirs[dir] = filesystem.Join(c.to, path.Base(dir)+"-"+strconv.Itoa(len(c.dirs)))
	}
	return c.dirs[dir]
}

func isSegment(f *referenced) bool {
	return slices.ContainsFunc(f.uses, func(use metadata.Reference) bool {
		_, is := use.Stream.(*metadata.Segment)
		return is
	})
}

// movedURL returns the current name of a recorded directory, after the moves in [Auditor.Moved]. If
// no directory is recorded, the name is empty.
func (c *copier) movedURL(url string) string {
	name, err := filesystem.ParseName(url)
	if err != nil {
		return ""
	}
	return c.moved(name)
}

// markName is the name of a file in the target. While this file exists, a copy is in progress or
// was interrupted.
const markName = "._snapback.copying"

func (c *copier) mark() string { return filesystem.Join(c.to, markName) }

// claim creates the mark file. If two copies have the same target, one of them fails here.
func (c *copier) claim() error {
	if err := filesystem.MkdirDurably(c.Files, c.to); err != nil {
		return err
	}
	err := filesystem.WriteFile(c.Files, c.mark(), nil)
	if errors.Is(err, fs.ErrExist) {
		return errors.New("another copy into it is in progress, or was interrupted: wait, or delete the files that are left in it")
	}
	if err == nil {
		c.created = append(c.created, c.mark())
	}
	return err
}

// copy writes the target. It writes the metadata file last. So after a crash the metadata file
// exists only if all other files exist.
func (c *copier) copy(ctx context.Context) error {
	var err error
	if c.data, err = filesystem.ReadFile(c.Files, c.from.Metadata, metadata.SizeMax); err != nil {
		return c.changed(err)
	}
	rewritten, err := c.rewritten()
	if err != nil {
		return err
	}
	if err := c.copyFiles(ctx); err != nil {
		return err
	}
	now, err := filesystem.ReadFile(c.Files, c.from.Metadata, metadata.SizeMax)
	if err == nil && string(now) != string(c.data) {
		err = errors.New("its metadata was replaced")
	}
	if err != nil {
		return c.changed(err)
	}
	// A crash before this point leaves files in the target, but the target is not a checkpoint.
	name := filesystem.Join(c.to, storage.MetadataName)
	c.created = append(c.created, filesystem.Join(c.to, storage.InProgressPrefix+"copy"), name)
	if err := filesystem.WriteWhole(c.Files, name, filesystem.Join(c.to, storage.InProgressPrefix+"copy"), rewritten); err != nil {
		return err
	}
	return c.readBack(ctx, rewritten)
}

// changed wraps an error, to say that the source has changed.
func (c *copier) changed(err error) error {
	return fmt.Errorf("the source changed during the copy, perhaps because its job deletes old checkpoints: %w; copy a newer one", err)
}

func (c *copier) copyFiles(ctx context.Context) error {
	dirs := []string{c.to}
	for _, f := range c.files {
		if dir := filesystem.Dir(f.to); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		if err := filesystem.MkdirDurably(c.Files, dir); err != nil {
			return err
		}
	}
	if err := each(ctx, len(c.files), copiesMax, func(ctx context.Context, i int) error { return c.copyFile(ctx, c.files[i]) }); err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := c.Files.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) copyFile(ctx context.Context, f copiedFile) error {
	source, err := c.Files.Open(f.from)
	if err != nil {
		return c.changed(err)
	}
	defer func() { _ = source.Close() }() // an error of Close does no harm, because the file was only read
	target, err := c.Files.Create(f.to)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.created = append(c.created, f.to)
	c.mu.Unlock()
	defer target.Abort()
	digest := sha256.New()
	n, err := io.Copy(target, &measured{reader: &cancelable{ctx, source}, digest: digest, copier: c})
	if err != nil {
		return err
	}
	if err := target.Sync(); err != nil {
		return err
	}
	read := Digest{Bytes: n, SHA256: hex.EncodeToString(digest.Sum(nil))}
	if sealed := c.verified.seal; sealed != nil {
		want, known := sealed.Files[filesystem.URL(f.from)]
		if known && want.Begin == 0 && want.Bytes == n && want.SHA256 != read.SHA256 {
			return fmt.Errorf("%s is damaged: sha256 %s as sealed, %s as read", filesystem.URL(f.from), want.SHA256, read.SHA256)
		}
	}
	c.mu.Lock()
	c.seal.Files[filesystem.URL(f.to)] = read
	c.mu.Unlock()
	return target.Close()
}

// measured is a reader that computes a digest of the bytes that are read, and reports progress.
type measured struct {
	reader io.Reader
	digest hash.Hash
	copier *copier
}

func (m *measured) Read(b []byte) (int, error) {
	n, err := m.reader.Read(b)
	m.digest.Write(b[:n])
	m.copier.progress("bytes copied", m.copier.done.Add(int64(n)), m.copier.total)
	return n, err
}

// readBack reads the whole copy, and compares it with the digests of the bytes from the source.
func (c *copier) readBack(ctx context.Context, rewritten []byte) error {
	sum := sha256.Sum256(rewritten)
	c.seal.Metadata = Digest{Bytes: int64(len(rewritten)), SHA256: hex.EncodeToString(sum[:])}
	v := &verifier{Auditor: &Auditor{Files: c.Files, Places: c.Places, Progress: c.Progress}, location: c.to, depth: Deep, files: direct{c.Files}, seal: &c.seal}
	result, err := v.verify(ctx, storage.PointerTo(c.to))
	if err != nil {
		return err
	}
	if !result.Restorable {
		return &UnrestorableError{Verification: result}
	}
	return nil
}

// cleanUp deletes the files that this copy created, the metadata file first. Then it deletes the
// directories that are empty. It does not delete other files.
func (c *copier) cleanUp() error {
	var failed error
	for _, name := range slices.Backward(c.created) {
		failed = errors.Join(failed, filesystem.IgnoreNotExist(c.Files.Remove(name)))
	}
	for _, f := range c.files {
		if dir := filesystem.Dir(f.to); dir != c.to {
			_ = c.Files.Remove(dir) // the directory is a directory for merged files; if this fails, it is not empty
		}
	}
	if len(c.created) > 0 {
		_ = c.Files.Remove(c.to) // this fails if the directory is not empty, or is a mount point
	}
	return failed
}

// rewritten returns the metadata of the copy: the metadata of the source, with the paths of the
// copied files.
func (c *copier) rewritten() ([]byte, error) {
	checkpoint, err := metadata.Decode(slices.Clone(c.data))
	if err != nil {
		return nil, c.changed(err)
	}
	checkpoint.Trailing = nil
	err = checkpoint.Rewrite(metadata.Paths{
		File: func(recorded metadata.Stream) (string, error) {
			name, err := c.file(c.from.Location, recorded)
			if err != nil {
				return "", err
			}
			target, ok := c.targets[name]
			if !ok {
				return "", fmt.Errorf("%s did not exist at the beginning", filesystem.URL(name))
			}
			if _, relative := recorded.(*metadata.RelativeFile); relative {
				tail, _ := filesystem.Relative(c.to, target)
				return tail, nil
			}
			return filesystem.URL(target), nil
		},
		Directory: func(recorded string) (string, error) { return filesystem.URL(c.dirs[c.movedURL(recorded)]), nil },
	})
	if err != nil {
		return nil, c.changed(err)
	}
	return metadata.Encode(checkpoint)
}
