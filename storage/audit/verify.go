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

// The kinds of findings.
const (
	Missing     Kind = "missing"
	WrongSize   Kind = "wrong-size"
	Unreadable  Kind = "unreadable"
	Unreachable Kind = "unreachable" // the store is unknown, or its host is unknown
	Corrupt     Kind = "corrupt"     // the content is wrong; found only if all bytes are read
	Metadata    Kind = "metadata"    // the metadata file itself is wrong
)

// Finding is a reason why a checkpoint should not be restored: Flink would refuse the checkpoint,
// or state would be lost.
type Finding struct {
	Kind     Kind   `json:"kind"`
	File     string `json:"file"`             // the wrong file, or its directory if the whole directory is missing
	Offset   *int64 `json:"offset,omitempty"` // offset of the wrong bytes in the file
	Expected string `json:"expected"`
	Found    string `json:"found"`
	Meaning  string `json:"meaning,omitempty"`  // only for a wrong metadata file: what the file is, and what the user can do
	Operator string `json:"operator,omitempty"` // uid or id of the operator that would lose state
	State    string `json:"state,omitempty"`    // the part of the operator's state that would be lost

	unproven bool   // true if the file could not be checked, so that it may be intact
	name     string // name of the file
	size     int64  // recorded size of the file
}

// Verification says whether a checkpoint can be restored.
type Verification struct {
	Schema     string    `json:"schema"`
	Path       string    `json:"path"` // path of the metadata file
	Restorable bool      `json:"restorable"`
	Unproven   bool      `json:"unproven"` // true if the checkpoint is not restorable only because something could not be checked
	Checked    Checked   `json:"checked"`
	Outside    Outside   `json:"outside"`
	Findings   []Finding `json:"findings"`
	Notes      []string  `json:"notes"` // hints, oddities and omitted checks; they do not prevent Flink from restoring the checkpoint
}

// Checked says how many files and bytes were checked.
type Checked struct {
	Files int   `json:"files"` // number of files, including the metadata file
	Bytes int64 `json:"bytes"` // total size of these files; only at the depth [Deep] are all these bytes read

	Checksums int `json:"checksums"` // number of files that were compared, at least in part, with a checksum or digest
}

// Outside describes the files that are not in the checkpoint's directory. A user who copies the
// checkpoint must copy these files too.
type Outside struct {
	Files       int      `json:"files"`
	Directories []string `json:"directories"`
}

// Depth says how closely the files of a checkpoint are checked.
type Depth int

// The depths. Each depth includes the checks of the depths before it.
const (
	present Depth = iota - 1 // every file exists and has the recorded size
	Shallow                  // every file can be opened
	Deep                     // every byte is read, and every known checksum is compared
)

// Verify says whether a checkpoint can be restored. It returns an error if it could not find this
// out.
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

// verify checks a checkpoint. The tools verify, ls, expire and others use this method.
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
	seal     *Seal // the seal of the checkpoint; nil if it has no seal
	sealing  *Seal // a new seal to which digests are added; nil if no seal is written

	checkpoint metadata.Checkpoint
	broken     error // why the metadata file cannot be read or decoded; nil if it was decoded
	referenced []*referenced
	move       *Move // a move with which missing files would be found; nil if there is none

	mu     sync.Mutex
	result Verification
}

func (v *verifier) add(f Finding) {
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

// compared counts one more file that was compared with a checksum or digest.
func (v *verifier) compared() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Checked.Checksums++
}

// unproven says whether an error comes from missing permissions or from the configuration of this
// program. Such an error says nothing about the file.
func unproven(err error) bool {
	var unknown *place.UnknownError
	return errors.Is(err, fs.ErrPermission) || errors.As(err, &unknown)
}

// metadata reads and decodes the metadata file. If this fails, it adds a finding.
func (v *verifier) metadata(name string) (data []byte, ok bool) {
	data, err := filesystem.ReadFile(v.Files, name, metadata.SizeMax)
	if err != nil {
		v.broken = err
		v.add(Finding{
			Kind: Unreadable, File: filesystem.URL(name), Expected: "a file that can be read", Found: reason(err), State: "everything", unproven: unproven(err),
		})
		return nil, false
	}
	v.result.Checked = Checked{Files: 1, Bytes: int64(len(data))}
	v.checkpoint, err = metadata.Decode(data)
	var bad *metadata.Error
	if errors.As(err, &bad) {
		v.broken = err
		meaning := "the file is damaged or truncated: restore from another checkpoint, or from a copy of this one"
		// After a power loss, `_metadata` may contain zeros. Such a file counts as damaged
		// metadata, not as another kind of file.
		if bad.Reason != nil && (!errors.Is(bad, metadata.ErrNotMetadata) || path.Base(name) != storage.MetadataName) {
			meaning = bad.Reason.Error()
		}
		v.add(Finding{
			Kind: Metadata, File: filesystem.URL(name), Offset: &bad.Offset, Expected: bad.What + ": " + bad.Want, Found: bad.Got, Meaning: meaning, State: "everything",
		})
		return nil, false
	}
	if n := len(v.checkpoint.Trailing); n > 0 {
		v.note(fmt.Sprintf("%d bytes follow the end of the metadata, at offset %d: Flink ignores them, and never writes any", n, len(data)-n))
	}
	if id, ok := storage.ParseCheckpointName(path.Base(v.location)); ok && id != v.checkpoint.ID {
		v.note(fmt.Sprintf("the checkpoint's id is %d, and its directory is %s: it was renamed, or the number is damaged; Flink uses the id", v.checkpoint.ID, path.Base(v.location)))
	}
	return data, true
}

// reason returns the text of an error without the name of the file.
func reason(err error) string {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		return inner.Err.Error()
	}
	return err.Error()
}

// referenced is a file to which the checkpoint refers, with the references to it.
type referenced struct {
	name      string // the file's name now
	recorded  string // the file's name as recorded
	size      int64  // the exact size in bytes; -1 if it is unknown
	atLeast   int64  // the smallest possible size in bytes of a file with segments; 0 for other files
	changelog bool   // true if the recorded size does not count all bytes; see checkChangelog
	relative  bool   // true if the recorded path is relative to the metadata file
	uses      []metadata.Reference

	entry filesystem.Entry // valid only if found is true
	found bool
}

// references lists the files to which a checkpoint refers. Each file occurs once in the list.
func (v *verifier) references(checkpoint *metadata.Checkpoint) []*referenced {
	files := map[string]*referenced{}
	for use := range checkpoint.References() {
		name, err := v.file(v.location, use.Stream)
		if err != nil {
			v.add(v.lost(Missing, pathOf(use.Stream), "a valid path", err.Error(), use.Operator, []metadata.Reference{use}))
			continue
		}
		if name == "" {
			continue
		}
		f := files[name]
		if f == nil {
			_, relative := use.Stream.(*metadata.RelativeFile)
			recorded, _, _ := storage.FileOf(v.location, use.Stream) // FileOf cannot fail here, because v.file succeeded above
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

// pathOf returns the path that a stream records.
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

// outside finds the files that are not in the checkpoint's directory.
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

// lost returns a finding about a file. The finding names the state of the given operator that would
// be lost.
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

// report adds findings about a file: one finding for each operator that would lose state.
func (v *verifier) report(f *referenced, kind Kind, offset *int64, expected, found string) {
	v.reportFinding(f, Finding{Kind: kind, Offset: offset, Expected: expected, Found: found})
}

// reportFinding adds one finding about a file for each operator that would lose state. It takes the
// kind, the offset and the texts of each finding from the parameter "about".
func (v *verifier) reportFinding(f *referenced, about Finding) {
	var told []*metadata.Operator
	for _, use := range f.uses {
		if slices.Contains(told, use.Operator) {
			continue
		}
		told = append(told, use.Operator)
		finding := v.lost(about.Kind, filesystem.URL(f.name), about.Expected, about.Found, use.Operator, f.uses)
		finding.Offset, finding.unproven = about.Offset, about.unproven
		finding.name, finding.size = f.name, max(f.size, f.atLeast, 0)
		v.add(finding)
	}
}

// checkFiles checks all files of the checkpoint, several files at the same time.
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

// check checks a file. If the file is wrong, check adds a finding and returns no error.
func (v *verifier) check(ctx context.Context, f *referenced) error {
	entry, err := v.files.stat(f.name)
	switch {
	case err != nil:
		v.notFound(f, err)
		return nil
	case entry.Directory:
		v.report(f, Unreadable, nil, "a file of "+f.wanted(), "a directory")
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
		v.report(f, WrongSize, nil, f.wanted(), fmt.Sprintf("%d bytes", entry.Size))
		return nil
	}
	return v.open(ctx, f)
}

// noteOpen adds a note about the size of a file, if the file is on HDFS. HDFS does not know the
// size of a file that is still open. A canceled job may leave files with merged state open.
func (v *verifier) noteOpen(f *referenced) {
	if filesystem.Scheme(f.name) == "hdfs" {
		v.note(fmt.Sprintf("HDFS does not know the whole size of a file that is still open for writing: if a job wrote %s a moment ago, close it with hdfs debug recoverLease -path PATH, or try again in an hour", filesystem.URL(f.name)))
	}
}

// notFound adds a finding that says that the file is missing, or that it could not be checked.
func (v *verifier) notFound(f *referenced, err error) {
	var unknown *place.UnknownError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.report(f, Missing, nil, "a file of "+f.wanted(), "no such file")
	case errors.As(err, &unknown):
		v.reportFinding(f, Finding{Kind: Unreachable, Expected: "a file of " + f.wanted(), Found: unknown.Why(), unproven: true})
	default:
		v.unreadable(f, "a file of "+f.wanted(), err)
	}
}

// unreadable adds a finding about a file that could not be read.
func (v *verifier) unreadable(f *referenced, expected string, err error) {
	if errors.Is(err, fs.ErrNotExist) { // somebody deleted the file while the checkpoint was verified
		v.report(f, Missing, nil, expected, "no such file")
		return
	}
	v.reportFinding(f, Finding{Kind: Unreadable, Expected: expected, Found: reason(err), unproven: unproven(err)})
}

func (f *referenced) wanted() string {
	switch {
	case f.size >= 0 && f.changelog:
		return fmt.Sprintf("%d bytes after its first byte", f.size)
	case f.size >= 0:
		return fmt.Sprintf("%d bytes", f.size)
	case f.atLeast > 0:
		return fmt.Sprintf("at least %d bytes", f.atLeast)
	}
	return "any size"
}

// open reads the first byte of a file. At the depth [Deep], it reads all bytes. At the depth
// "present", it reads nothing.
func (v *verifier) open(ctx context.Context, f *referenced) error {
	switch v.depth {
	case present:
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

// checkChangelog checks a file of the changelog. The recorded size does not count the first byte of
// the file. This byte says whether the other bytes are compressed.
func (v *verifier) checkChangelog(ctx context.Context, f *referenced, size int64) error {
	if v.depth == present {
		return nil // without the first byte, the size of such a file cannot be checked
	}
	compressed, err := v.files.first(f.name)
	switch {
	case errors.Is(err, io.EOF):
		v.report(f, WrongSize, nil, f.wanted(), "0 bytes")
		return nil
	case err != nil:
		v.unreadable(f, "a file that can be read", err)
		return nil
	case compressed == 0 && f.size >= 0 && size != f.size+1:
		v.report(f, WrongSize, nil, f.wanted(), fmt.Sprintf("%d bytes", size))
		return nil
	case compressed != 0:
		v.note(fmt.Sprintf("%s is compressed: its size cannot be compared", filesystem.URL(f.name)))
	}
	return v.open(ctx, f)
}

// sealed compares the metadata file with its digest in the seal. If a new seal is being written,
// sealed adds the digest to the new seal.
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
		v.add(Finding{Kind: Corrupt, File: filesystem.URL(name), Expected: "sha256 " + v.seal.Metadata.SHA256 + ", as sealed", Found: "sha256 " + found.SHA256, State: "everything"})
	}
}
