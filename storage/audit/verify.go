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
	"github.com/snapback/snapback/storage/metadata"
)

// VerifySchema names the format of a [Verification].
const VerifySchema = "snapback/verify/1"

// Kind says what is wrong with a file.
type Kind string

// The kinds.
const (
	Missing    Kind = "missing"
	WrongSize  Kind = "wrong-size"
	Unreadable Kind = "unreadable"
	Corrupt    Kind = "corrupt"  // only seen when every byte is read
	Metadata   Kind = "metadata" // of the metadata file itself
)

// Finding is one thing that stands against a restore.
type Finding struct {
	Kind     Kind   `json:"kind"`
	File     string `json:"file"`
	Offset   *int64 `json:"offset,omitempty"` // of what is wrong, in bytes
	Expected string `json:"expected"`
	Found    string `json:"found"`
	Operator string `json:"operator,omitempty"` // uid, or id, of the one that would be lost
	State    string `json:"state,omitempty"`    // and which part of its state
}

// Verification says whether a checkpoint can be restored from.
type Verification struct {
	Schema     string    `json:"schema"`
	Path       string    `json:"path"` // of the metadata file
	Restorable bool      `json:"restorable"`
	Checked    Checked   `json:"checked"`
	Findings   []Finding `json:"findings"`
	Notes      []string  `json:"notes,omitempty"` // what was not checked, or what may help
}

// Checked is how much was looked at.
type Checked struct {
	Files int   `json:"files"` // the metadata file included
	Bytes int64 `json:"bytes"` // of those files; they are read only if asked to
}

// Depth says how closely files are looked at.
type Depth int

// The depths.
const (
	Shallow Depth = iota // every file exists, has its size, can be opened
	Deep                 // and every byte is read, and its checksum compared where there is one
)

// Verify says whether a checkpoint can be restored from. An error means that nobody
// knows.
func (a *Auditor) Verify(ctx context.Context, pointer string, depth Depth) (Verification, error) {
	found, err := storage.Find(a.Files, pointer)
	if err != nil {
		return Verification{}, err
	}
	v := &verifier{Auditor: a, location: found.Location, depth: depth}
	return v.verify(ctx, found)
}

func (v *verifier) verify(ctx context.Context, found storage.Pointer) (Verification, error) {
	v.result = Verification{Schema: VerifySchema, Path: filesystem.URL(found.Metadata), Findings: []Finding{}}
	checkpoint, data, ok := v.metadata(found.Metadata)
	if ok {
		v.readSeal(found)
		v.sealed(found.Metadata, data)
		if err := v.files(ctx, v.references(&checkpoint)); err != nil {
			return Verification{}, err
		}
		v.hint()
	}
	slices.SortStableFunc(v.result.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.State, b.State))
	})
	v.result.Restorable = len(v.result.Findings) == 0
	return v.result, nil
}

// verifier verifies one checkpoint.
type verifier struct {
	*Auditor
	location string
	depth    Depth
	seal     *Seal                                       // nil if there is none
	sealing  *Seal                                       // takes digests of what is read; nil if none is to be made
	lookup   func(name string) (filesystem.Entry, error) // nil to ask for each file

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

// metadata reads the metadata file, and decodes it; what is wrong with it is a finding.
func (v *verifier) metadata(name string) (checkpoint metadata.Checkpoint, data []byte, ok bool) {
	data, err := filesystem.ReadFile(v.Files, name, metadata.SizeMax)
	if err != nil {
		v.find(Finding{Kind: Unreadable, File: filesystem.URL(name), Expected: "a file that can be read", Found: reason(err), State: "everything"})
		return metadata.Checkpoint{}, nil, false
	}
	v.result.Checked = Checked{Files: 1, Bytes: int64(len(data))}
	wrong := func(offset int64, expected, found string) {
		v.find(Finding{Kind: Metadata, File: filesystem.URL(name), Offset: &offset, Expected: expected, Found: found, State: "everything"})
	}
	checkpoint, err = metadata.Decode(data)
	var bad *metadata.Error
	switch {
	case errors.As(err, &bad):
		wrong(bad.Offset, bad.What+": "+bad.Want, bad.Got)
		return metadata.Checkpoint{}, nil, false
	case len(checkpoint.Trailing) > 0:
		// Flink would ignore it; but Flink never writes any, so a number before it is wrong.
		wrong(int64(len(data)-len(checkpoint.Trailing)), "the end of the file", fmt.Sprintf("%d bytes that belong to nothing", len(checkpoint.Trailing)))
	}
	if id, ok := storage.ParseCheckpointName(path.Base(v.location)); ok && id != checkpoint.ID {
		wrong(8, fmt.Sprintf("checkpoint id: %d, as the directory says", id), fmt.Sprint(checkpoint.ID))
	}
	return checkpoint, data, true
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
	name      string
	size      int64 // exactly; -1 if it is not known
	atLeast   int64 // of a file that holds segments
	changelog bool  // recorded without what the writer adds
	uses      []metadata.Reference
}

// references lists the files of a checkpoint, each once.
func (v *verifier) references(checkpoint *metadata.Checkpoint) []*referenced {
	files := map[string]*referenced{}
	for use := range checkpoint.References() {
		name, err := v.file(v.location, use.Stream)
		if err != nil {
			v.find(v.lost(Missing, fmt.Sprint(use.Stream), "a path that means something", err.Error(), use.Operator, []metadata.Reference{use}))
			continue
		}
		if name == "" {
			continue
		}
		f := files[name]
		if f == nil {
			f = &referenced{name: name, size: -1, changelog: use.Changelog}
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

// lost makes a finding that says what of an operator would be lost with a file.
func (v *verifier) lost(kind Kind, file, expected, found string, operator *metadata.Operator, uses []metadata.Reference) Finding {
	var states []string
	for _, use := range uses {
		if use.Operator != operator {
			continue
		}
		state := use.State
		if use.Subtask != metadata.CoordinatorSubtask {
			state = fmt.Sprintf("subtask %d: %s", use.Subtask, use.State)
		}
		if !slices.Contains(states, state) {
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
	var told []*metadata.Operator
	for _, use := range f.uses {
		if slices.Contains(told, use.Operator) {
			continue
		}
		told = append(told, use.Operator)
		finding := v.lost(kind, filesystem.URL(f.name), expected, found, use.Operator, f.uses)
		finding.Offset = offset
		v.find(finding)
	}
}

// files checks all files, several at a time.
func (v *verifier) files(ctx context.Context, all []*referenced) error {
	atOnce := lookupsMax
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
	stat := v.Files.Stat
	if v.lookup != nil {
		stat = v.lookup
	}
	entry, err := stat(f.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.against(f, Missing, nil, "a file of "+f.wanted(), "no such file")
		return nil
	case err != nil:
		v.against(f, Unreadable, nil, "a file of "+f.wanted(), reason(err))
		return nil
	case entry.Directory:
		v.against(f, Unreadable, nil, "a file of "+f.wanted(), "a directory")
		return nil
	}
	v.mu.Lock()
	v.result.Checked.Files++
	v.result.Checked.Bytes += entry.Size
	v.mu.Unlock()
	if f.changelog {
		return v.checkChangelog(ctx, f, entry.Size)
	}
	if (f.size >= 0 && entry.Size != f.size) || entry.Size < f.atLeast {
		v.against(f, WrongSize, nil, f.wanted(), fmt.Sprintf("%d bytes", entry.Size))
		return nil
	}
	return v.open(ctx, f)
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
	if v.lookup != nil {
		return nil // many checkpoints are looked at, and none closely
	}
	if v.depth == Deep {
		return v.readAll(ctx, f)
	}
	_, err := v.firstByte(f.name)
	if err != nil && !errors.Is(err, io.EOF) {
		v.against(f, Unreadable, nil, "a file that can be read", reason(err))
	}
	return nil
}

func (v *verifier) firstByte(name string) (byte, error) {
	reader, err := v.Files.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = reader.Close() }() // only read from
	first := make([]byte, 1)
	_, err = io.ReadFull(reader, first)
	return first[0], err
}

// checkChangelog checks a file of the changelog, whose recorded size is that of what
// was written into it: before that is a byte that says whether it was compressed.
func (v *verifier) checkChangelog(ctx context.Context, f *referenced, size int64) error {
	compressed, err := v.firstByte(f.name)
	switch {
	case errors.Is(err, io.EOF):
		v.against(f, WrongSize, nil, f.wanted(), "0 bytes")
		return nil
	case err != nil:
		v.against(f, Unreadable, nil, "a file that can be read", reason(err))
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
	}
	if v.seal != nil && found.SHA256 != v.seal.Metadata.SHA256 {
		v.find(Finding{Kind: Corrupt, File: filesystem.URL(name), Expected: "sha256 " + v.seal.Metadata.SHA256 + ", as sealed", Found: "sha256 " + found.SHA256, State: "everything"})
	}
}

// hint helps where files are missing because a checkpoint was moved.
func (v *verifier) hint() {
	for _, finding := range v.result.Findings {
		recorded, err := filesystem.ParseName(finding.File)
		if finding.Kind != Missing || err != nil {
			continue
		}
		if move, ok := v.moveOf(recorded); ok {
			v.note(fmt.Sprintf("%s is there: if the checkpoints were moved, try --rebase %s=%s", filesystem.URL(filesystem.Join(move.To, strings.TrimPrefix(recorded, move.From+"/"))), filesystem.URL(move.From), filesystem.URL(move.To)))
			return
		}
	}
}

// moveOf looks for a recorded file near the checkpoint: at the longest end of its path
// that exists below a directory above us.
func (v *verifier) moveOf(recorded string) (Move, bool) {
	const above = 6
	parent := v.location
	for range above {
		for from := filesystem.Dir(recorded); !filesystem.IsRoot(from); from = filesystem.Dir(from) {
			tail, _ := filesystem.Relative(from, recorded)
			if entry, err := v.Files.Stat(filesystem.Join(parent, tail)); err == nil && !entry.Directory && strings.Contains(tail, "/") {
				return Move{From: from, To: parent}, true
			}
		}
		if filesystem.IsRoot(parent) {
			break
		}
		parent = filesystem.Dir(parent)
	}
	return Move{}, false
}
