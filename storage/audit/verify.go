package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/place"
	"github.com/snapback/snapback/storage/metadata"
)

// VerifySchema names the format of a [Verification].
const VerifySchema = "snapback/verify/1"

// Kind says what is wrong with a file.
type Kind string

// The kinds.
const (
	Missing     Kind = "missing"
	WrongSize   Kind = "wrong-size"
	Unreadable  Kind = "unreadable"
	Unreachable Kind = "unreachable" // on a store of which nobody here knows anything
	Corrupt     Kind = "corrupt"     // only seen when every byte is read
	Metadata    Kind = "metadata"    // of the metadata file itself
)

// Finding is one thing that stands against a restore: Flink would refuse, or lose state.
type Finding struct {
	Kind     Kind   `json:"kind"`
	File     string `json:"file"`             // or a directory, where all of it is missing
	Offset   *int64 `json:"offset,omitempty"` // of what is wrong, in bytes
	Expected string `json:"expected"`
	Found    string `json:"found"`
	Meaning  string `json:"meaning,omitempty"`  // of what is wrong with metadata: who wrote it, and what to do
	Operator string `json:"operator,omitempty"` // uid, or id, of the one that would be lost
	State    string `json:"state,omitempty"`    // and which part of its state

	unproven bool   // it could not be looked at, which says nothing about it
	name     string // of the file
	size     int64  // of the file, as recorded
}

// Verification says whether a checkpoint can be restored from.
type Verification struct {
	Schema     string    `json:"schema"`
	Path       string    `json:"path"` // of the metadata file
	Restorable bool      `json:"restorable"`
	Unproven   bool      `json:"unproven"` // nothing stands against it but what could not be looked at
	Checked    Checked   `json:"checked"`
	Outside    Outside   `json:"outside"`
	Findings   []Finding `json:"findings"`
	Notes      []string  `json:"notes"` // what is odd, was not checked, or may help; none keeps Flink from restoring
}

// Checked is how much was looked at.
type Checked struct {
	Files int   `json:"files"` // the metadata file included
	Bytes int64 `json:"bytes"` // of those files; they are read only if asked to

	Checksums int `json:"checksums"` // of these files a checksum or a digest was compared: of all or a part of their bytes
}

// Outside are the files of a checkpoint that are not in its directory: they must be
// copied with it.
type Outside struct {
	Files       int      `json:"files"`
	Directories []string `json:"directories"`
}

// Depth says how closely files are looked at.
type Depth int

// The depths.
const (
	Present Depth = iota - 1 // every file exists and has its size
	Shallow                  // and can be opened
	Deep                     // and every byte is read, and its checksum compared where there is one
)

// Verify says whether a checkpoint can be restored from. An error means that nobody
// knows.
func (a *Auditor) Verify(ctx context.Context, pointer string, depth Depth) (Verification, error) {
	found, err := a.find(pointer)
	if err != nil {
		return Verification{}, err
	}
	v := &verifier{Auditor: a, location: found.Location, depth: depth, files: direct{a.Files}}
	result, err := v.verify(ctx, found)
	if err != nil {
		return Verification{}, err
	}
	if v.isMoved() && result.Restorable {
		result.Notes = append(result.Notes, noRebase)
	}
	if errors.Is(v.broken, metadata.ErrNotMetadata) && path.Base(found.Metadata) != storage.MetadataName {
		return Verification{}, fmt.Errorf("%s: %w", filesystem.URL(found.Metadata), v.broken)
	}
	return result, nil
}

// verify judges a checkpoint. It is the one judgement of all who ask: verify, ls, expire.
func (v *verifier) verify(ctx context.Context, found storage.Pointer) (Verification, error) {
	v.result = Verification{
		Schema: VerifySchema, Path: filesystem.URL(found.Metadata),
		Outside: Outside{Directories: []string{}}, Findings: []Finding{}, Notes: []string{},
	}
	data, ok := v.metadata(found.Metadata)
	if ok {
		v.readSeal(found)
		v.sealed(found.Metadata, data)
		v.referenced = v.references(&v.checkpoint)
		v.outside()
		if err := v.checkFiles(ctx); err != nil {
			return Verification{}, err
		}
		v.hint()
		v.leftBehind()
	}
	slices.SortStableFunc(v.result.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.State, b.State))
	})
	v.result.Restorable = len(v.result.Findings) == 0
	v.result.Unproven = !v.result.Restorable && !slices.ContainsFunc(v.result.Findings, func(f Finding) bool { return !f.unproven })
	return v.result, nil
}

// verifier verifies one checkpoint.
type verifier struct {
	*Auditor
	location string
	depth    Depth
	files    looker
	seal     *Seal // nil if there is none
	sealing  *Seal // takes digests of what is read; nil if none is to be made

	checkpoint metadata.Checkpoint
	broken     error // why the metadata file cannot be read
	referenced []*referenced
	move       *Move // that would help

	mu     sync.Mutex
	result Verification
}

func (v *verifier) find(f Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Findings = append(v.result.Findings, f)
}

func (v *verifier) note(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.Contains(v.result.Notes, text) {
		v.result.Notes = append(v.result.Notes, text)
	}
}

// compared counts a file of which a checksum or a digest was compared.
func (v *verifier) compared() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Checked.Checksums++
}

// unproven says whether an error is about who looks, and not about what is looked at.
func unproven(err error) bool {
	var unknown *place.UnknownError
	return errors.Is(err, fs.ErrPermission) || errors.As(err, &unknown)
}

// metadata reads the metadata file, and decodes it; what is wrong with it is a finding.
func (v *verifier) metadata(name string) (data []byte, ok bool) {
	data, err := filesystem.ReadFile(v.Files, name, metadata.SizeMax)
	if err != nil {
		v.broken = err
		v.find(Finding{
			Kind: Unreadable, File: filesystem.URL(name), Expected: "a file that can be read", Found: reason(err), State: "everything", unproven: unproven(err),
		})
		return nil, false
	}
	v.result.Checked = Checked{Files: 1, Bytes: int64(len(data))}
	v.checkpoint, err = metadata.Decode(data)
	var bad *metadata.Error
	if errors.As(err, &bad) {
		v.broken = err
		meaning := "the file is damaged, or was cut off: restore from another checkpoint, or from a copy of this one"
		// A power loss may leave zeros in place of _metadata: then it is one, and damaged.
		if bad.Reason != nil && (!errors.Is(bad, metadata.ErrNotMetadata) || path.Base(name) != storage.MetadataName) {
			meaning = bad.Reason.Error()
		}
		v.find(Finding{
			Kind: Metadata, File: filesystem.URL(name), Offset: &bad.Offset, Expected: bad.What + ": " + bad.Want, Found: bad.Got, Meaning: meaning, State: "everything",
		})
		return nil, false
	}
	if n := len(v.checkpoint.Trailing); n > 0 {
		v.note(fmt.Sprintf("%d bytes follow the end of the metadata, at offset %d: Flink ignores them, and never writes any", n, len(data)-n))
	}
	if id, ok := storage.ParseCheckpointName(path.Base(v.location)); ok && id != v.checkpoint.ID {
		v.note(fmt.Sprintf("the checkpoint's id is %d, and its directory is %s: it was renamed, or the number is damaged; Flink goes by the id", v.checkpoint.ID, path.Base(v.location)))
	}
	return data, true
}

// reason is what an error says besides the name of the file.
func reason(err error) string {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		return inner.Err.Error()
	}
	return err.Error()
}

// referenced is one file, and what of it the checkpoint relies on.
type referenced struct {
	name      string // where it is now
	recorded  string // where it is by its path
	size      int64  // exactly; -1 if it is not known
	atLeast   int64  // of a file that holds segments
	changelog bool   // recorded without what the writer adds
	relative  bool   // recorded as beside the metadata file
	uses      []metadata.Reference

	entry filesystem.Entry // as it was found
	found bool
}

// references lists the files of a checkpoint, each once.
func (v *verifier) references(checkpoint *metadata.Checkpoint) []*referenced {
	files := map[string]*referenced{}
	for use := range checkpoint.References() {
		name, err := v.file(v.location, use.Stream)
		if err != nil {
			v.find(v.lost(Missing, pathOf(use.Stream), "a path that means something", err.Error(), use.Operator, []metadata.Reference{use}))
			continue
		}
		if name == "" {
			continue
		}
		f := files[name]
		if f == nil {
			_, relative := use.Stream.(*metadata.RelativeFile)
			recorded, _, _ := storage.FileOf(v.location, use.Stream) // file has seen its error
			f = &referenced{name: name, recorded: recorded, size: -1, changelog: use.Changelog, relative: relative}
			files[name] = f
		}
		f.uses = append(f.uses, use)
		if segment, ok := use.Stream.(*metadata.Segment); ok {
			f.atLeast = max(f.atLeast, segment.Start+segment.Size)
		} else {
			f.size = storage.SizeOf(use.Stream)
		}
	}
	var all []*referenced
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, files[name])
	}
	return all
}

// pathOf is the path that a stream records.
func pathOf(stream metadata.Stream) string {
	switch s := stream.(type) {
	case *metadata.File:
		return s.Path
	case *metadata.RelativeFile:
		return s.Path
	case *metadata.Segment:
		return s.Path
	}
	return ""
}

// outside notes which files are not in the checkpoint's own directory.
func (v *verifier) outside() {
	dirs := map[string]bool{}
	own := v.Places.Name(v.location)
	for _, f := range v.referenced {
		if dir := v.Places.Name(filesystem.Dir(f.name)); dir != own && !f.relative {
			v.result.Outside.Files++
			dirs[filesystem.URL(filesystem.Dir(f.name))] = true
		}
	}
	v.result.Outside.Directories = append(v.result.Outside.Directories, slices.Sorted(maps.Keys(dirs))...)
}

// lost makes a finding that says what of an operator would be lost with a file.
func (v *verifier) lost(kind Kind, file, expected, found string, operator *metadata.Operator, uses []metadata.Reference) Finding {
	var states []string
	for _, use := range uses {
		if use.Operator != operator {
			continue
		}
		if state := describeState(use); !slices.Contains(states, state) {
			states = append(states, state)
		}
	}
	const shown = 3
	if more := len(states) - shown; more > 0 {
		states = append(states[:shown], fmt.Sprintf("and %d more", more))
	}
	return Finding{Kind: kind, File: file, Expected: expected, Found: found, Operator: operator.Label(), State: strings.Join(states, "; ")}
}

// against notes what is wrong with a file, for each operator that would lose by it.
func (v *verifier) against(f *referenced, kind Kind, offset *int64, expected, found string) {
	v.tell(f, Finding{Kind: kind, Offset: offset, Expected: expected, Found: found})
}

// tell notes a finding about a file for each operator that would lose by it.
func (v *verifier) tell(f *referenced, about Finding) {
	var told []*metadata.Operator
	for _, use := range f.uses {
		if slices.Contains(told, use.Operator) {
			continue
		}
		told = append(told, use.Operator)
		finding := v.lost(about.Kind, filesystem.URL(f.name), about.Expected, about.Found, use.Operator, f.uses)
		finding.Offset, finding.unproven = about.Offset, about.unproven
		finding.name, finding.size = f.name, max(f.size, f.atLeast, 0)
		v.find(finding)
	}
}

// checkFiles checks all files, several at a time.
func (v *verifier) checkFiles(ctx context.Context) error {
	all, atOnce := v.referenced, lookupsMax
	if v.depth == Deep {
		atOnce = readsMax()
	}
	var done atomic.Int64
	return each(ctx, len(all), atOnce, func(ctx context.Context, i int) error {
		err := v.check(ctx, all[i])
		v.progress("files checked", done.Add(1), int64(len(all)))
		return err
	})
}

// check looks at one file. What is wrong with it is a finding, not an error.
func (v *verifier) check(ctx context.Context, f *referenced) error {
	entry, err := v.files.stat(f.name)
	switch {
	case err != nil:
		v.notFound(f, err)
		return nil
	case entry.Directory:
		v.against(f, Unreadable, nil, "a file of "+f.wanted(), "a directory")
		return nil
	}
	f.entry, f.found = entry, true
	v.mu.Lock()
	v.result.Checked.Files++
	v.result.Checked.Bytes += entry.Size
	v.mu.Unlock()
	if f.changelog {
		return v.checkChangelog(ctx, f, entry.Size)
	}
	if (f.size >= 0 && entry.Size != f.size) || entry.Size < f.atLeast {
		v.noteOpen(f)
		v.against(f, WrongSize, nil, f.wanted(), fmt.Sprintf("%d bytes", entry.Size))
		return nil
	}
	return v.open(ctx, f)
}

// noteOpen notes that HDFS does not know the size of a file that is open for writing, as of
// merged state that a job wrote just before it was canceled.
func (v *verifier) noteOpen(f *referenced) {
	if filesystem.Scheme(f.name) == "hdfs" {
		v.note(fmt.Sprintf("HDFS does not know the whole size of a file that is still open for writing: if a job wrote %s a moment ago, close it with hdfs debug recoverLease -path PATH, or try again in an hour", filesystem.URL(f.name)))
	}
}

// notFound notes that a file is missing, or why that is not known.
func (v *verifier) notFound(f *referenced, err error) {
	var unknown *place.UnknownError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.against(f, Missing, nil, "a file of "+f.wanted(), "no such file")
	case errors.As(err, &unknown):
		v.tell(f, Finding{Kind: Unreachable, Expected: "a file of " + f.wanted(), Found: unknown.Why(), unproven: true})
	default:
		v.unreadable(f, "a file of "+f.wanted(), err)
	}
}

// unreadable notes that a file could not be read.
func (v *verifier) unreadable(f *referenced, expected string, err error) {
	if errors.Is(err, fs.ErrNotExist) { // it was there a moment ago
		v.against(f, Missing, nil, expected, "no such file")
		return
	}
	v.tell(f, Finding{Kind: Unreadable, Expected: expected, Found: reason(err), unproven: unproven(err)})
}

func (f *referenced) wanted() string {
	switch {
	case f.size >= 0 && f.changelog:
		return fmt.Sprintf("%d bytes and one", f.size)
	case f.size >= 0:
		return fmt.Sprintf("%d bytes", f.size)
	case f.atLeast > 0:
		return fmt.Sprintf("at least %d bytes", f.atLeast)
	}
	return "any size"
}

// open sees whether a file can be read: its first byte, or all of it.
func (v *verifier) open(ctx context.Context, f *referenced) error {
	switch v.depth {
	case Present:
		return nil
	case Deep:
		return v.readAll(ctx, f)
	}
	_, err := v.files.first(f.name)
	if err != nil && !errors.Is(err, io.EOF) {
		v.unreadable(f, "a file that can be read", err)
	}
	return nil
}

// checkChangelog checks a file of the changelog, whose recorded size is that of what
// was written into it: before that is a byte that says whether it was compressed.
func (v *verifier) checkChangelog(ctx context.Context, f *referenced, size int64) error {
	if v.depth == Present {
		return nil // its size alone says little
	}
	compressed, err := v.files.first(f.name)
	switch {
	case errors.Is(err, io.EOF):
		v.against(f, WrongSize, nil, f.wanted(), "0 bytes")
		return nil
	case err != nil:
		v.unreadable(f, "a file that can be read", err)
		return nil
	case compressed == 0 && f.size >= 0 && size != f.size+1:
		v.against(f, WrongSize, nil, f.wanted(), fmt.Sprintf("%d bytes", size))
		return nil
	case compressed != 0:
		v.note(fmt.Sprintf("%s is compressed: its size cannot be compared", filesystem.URL(f.name)))
	}
	return v.open(ctx, f)
}

// sealed compares the metadata file with the digest that a seal has of it, if there is
// one; a seal that is made takes its digest.
func (v *verifier) sealed(name string, data []byte) {
	if v.seal == nil && v.sealing == nil {
		return
	}
	sum := sha256.Sum256(data)
	found := Digest{Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
	if v.sealing != nil {
		v.sealing.Metadata = found
	} else {
		v.compared()
	}
	if v.seal != nil && found.SHA256 != v.seal.Metadata.SHA256 {
		v.find(Finding{Kind: Corrupt, File: filesystem.URL(name), Expected: "sha256 " + v.seal.Metadata.SHA256 + ", as sealed", Found: "sha256 " + found.SHA256, State: "everything"})
	}
}
