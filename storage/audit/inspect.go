package audit

import (
	"cmp"
	"maps"
	"slices"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// InspectSchema names the format of an [Inspection].
const InspectSchema = "snapback/inspect/1"

// Inspection says what a checkpoint contains. All sizes are in bytes. File names are those that the
// checkpoint records.
type Inspection struct {
	Schema       string               `json:"schema"`
	Path         string               `json:"path"` // path of the metadata file
	Version      int32                `json:"version"`
	CheckpointID int64                `json:"checkpointId"`
	Properties   *InspectedProperties `json:"properties"` // nil if the checkpoint records no properties
	MasterStates int                  `json:"masterStates"`
	Operators    []InspectedOperator  `json:"operators"` // sorted by id
	Files        []InspectedFile      `json:"files"`     // sorted by path
	Totals       Totals               `json:"totals"`

	Kind       string     `json:"kind"`       // same as the field Kind of [Listed]
	Backend    string     `json:"backend"`    // text that names the backend of the keyed state; empty if there is no keyed state
	ReadableBy string     `json:"readableBy"` // Flink releases that can read the metadata, for example 1.16 to 2.3
	UIDs       []KnownUID `json:"uids"`       // uids that the caller of Inspect gave
	Nameless   []string   `json:"nameless"`   // ids of the operators whose uid is unknown: the checkpoint does not record it, and the caller did not give it
	Outside    Outside    `json:"outside"`
}

// KnownUID is a uid that the caller of Inspect gave, with the id that Flink derives from this uid.
type KnownUID struct {
	UID   string `json:"uid"`
	ID    string `json:"id"`
	Found bool   `json:"found"` // whether the checkpoint contains this operator
}

// readableTo is the newest Flink release whose reader this package knows.
const readableTo = "2.3"

// InspectedProperties are [metadata.Properties] under Flink's names.
type InspectedProperties struct {
	Name                 string  `json:"name"`
	IsSavepoint          bool    `json:"isSavepoint"`
	Format               *string `json:"format"`
	Sharing              string  `json:"sharing"`
	PostCheckpointAction *string `json:"postCheckpointAction"`
	IsSynchronous        bool    `json:"isSynchronous"`
	Forced               bool    `json:"forced"`
	Unclaimed            bool    `json:"unclaimed"`
	DiscardOnSubsumed    bool    `json:"discardOnSubsumed"`
	DiscardOnFinished    bool    `json:"discardOnFinished"`
	DiscardOnCancelled   bool    `json:"discardOnCancelled"`
	DiscardOnFailed      bool    `json:"discardOnFailed"`
	DiscardOnSuspended   bool    `json:"discardOnSuspended"`
}

// InspectedOperator is an operator with the handles of its subtasks.
type InspectedOperator struct {
	ID                    string             `json:"id"`
	UID                   *string            `json:"uid"`  // nil if the uid is not recorded
	Name                  *string            `json:"name"` // nil if the name is not recorded
	Parallelism           int32              `json:"parallelism"`
	MaxParallelism        int32              `json:"maxParallelism"`
	FullyFinished         bool               `json:"fullyFinished"`
	CoordinatorStateBytes *int64             `json:"coordinatorStateBytes"` // nil if the coordinator has no state
	Subtasks              []InspectedSubtask `json:"subtasks"`              // sorted by index

	Bytes   int64            `json:"bytes"`   // size of the operator's whole state, in bytes
	Backend string           `json:"backend"` // text that names the backend of the keyed state; empty if there is no keyed state
	States  []InspectedState `json:"states"`  // named states that are not keyed, sorted by name; the metadata does not contain the names of keyed states
}

// InspectedState is a named state of an operator.
type InspectedState struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`  // how Flink distributes the state to subtasks
	Parts int    `json:"parts"` // total number of elements in all subtasks
}

// InspectedSubtask is a subtask with its handles. Each handle is an object with a type, a size, and
// other fields that depend on the type.
type InspectedSubtask struct {
	Index              int32    `json:"index"`
	Finished           bool     `json:"finished"`
	ManagedKeyed       []object `json:"managedKeyed"`
	RawKeyed           []object `json:"rawKeyed"`
	ManagedOperator    []object `json:"managedOperator"`
	RawOperator        []object `json:"rawOperator"`
	InputChannel       []object `json:"inputChannel"`
	ResultSubpartition []object `json:"resultSubpartition"`
}

// InspectedFile is a file to which the checkpoint refers. Bytes is the recorded size. For a file
// with segments, Bytes is the number of bytes that the checkpoint uses.
type InspectedFile struct {
	Path       string `json:"path"`
	Kind       string `json:"kind"` // one of file, relativeFile and segment
	Bytes      int64  `json:"bytes"`
	References int    `json:"references"`
	Segments   int    `json:"segments,omitempty"` // number of segments; segments with the same offset count once
	End        int64  `json:"end,omitempty"`      // offset at which the last segment ends

	UsedBy []string `json:"usedBy"` // operators that use the file (uid or id), each with the part of its state that is in the file
}

// Totals are the sums over the whole checkpoint.
type Totals struct {
	Operators   int   `json:"operators"`
	Subtasks    int   `json:"subtasks"`
	Handles     int   `json:"handles"`
	Files       int   `json:"files"`
	FileBytes   int64 `json:"fileBytes"`
	InlineBytes int64 `json:"inlineBytes"`
}

// Inspect says what a checkpoint contains. Versions before 5 record the ids of operators, but not
// their uids. So the caller may give uids, and Inspect says which operators have these uids.
func (a *Auditor) Inspect(pointer string, uids ...string) (Inspection, error) {
	found, completed, err := a.read(pointer)
	if err != nil {
		return Inspection{}, err
	}
	in := inspect(found.Metadata, completed.Checkpoint)
	in.name(uids)
	v := &verifier{Auditor: a, location: found.Location, result: Verification{Outside: Outside{Directories: []string{}}}}
	v.referenced = v.references(&completed.Checkpoint)
	v.outside()
	in.Outside = v.result.Outside
	return in, nil
}

// name finds the operators that have the given uids, and lists the operators whose uid stays
// unknown.
func (in *Inspection) name(uids []string) {
	known := map[string]bool{}
	for _, uid := range uids {
		id := metadata.NewOperatorID(uid).String()
		has := slices.ContainsFunc(in.Operators, func(o InspectedOperator) bool { return o.ID == id })
		in.UIDs = append(in.UIDs, KnownUID{UID: uid, ID: id, Found: has})
		known[id] = true
	}
	for _, o := range in.Operators {
		if o.UID == nil && !known[o.ID] {
			in.Nameless = append(in.Nameless, o.ID)
		}
	}
}

func inspect(path string, checkpoint metadata.Checkpoint) Inspection {
	in := Inspection{
		Schema: InspectSchema, Path: filesystem.URL(path), Version: checkpoint.Version, CheckpointID: checkpoint.ID,
		Properties: inspectProperties(checkpoint.Properties), MasterStates: len(checkpoint.MasterStates),
		Operators: []InspectedOperator{}, Files: inspectFiles(&checkpoint),
		Kind: kindOf(&checkpoint), Backend: backendOf(checkpoint.Operators...), ReadableBy: checkpoint.ReadableSince() + " to " + readableTo,
		UIDs: []KnownUID{}, Nameless: []string{},
	}
	operators := slices.Clone(checkpoint.Operators)
	slices.SortStableFunc(operators, func(a, b metadata.Operator) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
	for i := range operators {
		o := inspectOperator(&operators[i])
		in.Operators = append(in.Operators, o)
		in.Totals.Subtasks += len(o.Subtasks)
	}
	in.Totals.Operators, in.Totals.Files = len(in.Operators), len(in.Files)
	for _, file := range in.Files {
		in.Totals.FileBytes += file.Bytes
	}
	for range checkpoint.References() {
		in.Totals.Handles++
	}
	in.Totals.InlineBytes = checkpoint.InlineSize()
	for _, changes := range changelogBytes(&checkpoint) {
		in.Totals.Handles++
		in.Totals.InlineBytes += keyedSize(changes)
	}
	return in
}

// changelogBytes lists the changes that are inside the metadata file. These changes are handles
// without a stream.
func changelogBytes(checkpoint *metadata.Checkpoint) []*metadata.ChangelogBytes {
	var all []*metadata.ChangelogBytes
	var visit func(h metadata.KeyedHandle)
	visit = func(h metadata.KeyedHandle) {
		switch h := h.(type) {
		case *metadata.ChangelogBytes:
			all = append(all, h)
		case *metadata.Changelog:
			for _, inner := range slices.Concat(h.Materialized, h.Changes) {
				visit(inner)
			}
		}
	}
	for _, operator := range checkpoint.Operators {
		for _, subtask := range operator.Subtasks {
			visit(subtask.ManagedKeyed)
			visit(subtask.RawKeyed)
		}
	}
	return all
}

func inspectProperties(p *metadata.Properties) *InspectedProperties {
	if p == nil {
		return nil
	}
	return &InspectedProperties{
		Name: p.Name, IsSavepoint: p.Savepoint, Format: orNil(p.Format), Sharing: p.Sharing, PostCheckpointAction: orNil(p.PostAction),
		IsSynchronous: p.Synchronous(), Forced: p.Forced, Unclaimed: p.Unclaimed,
		DiscardOnSubsumed: p.DiscardSubsumed, DiscardOnFinished: p.DiscardFinished, DiscardOnCancelled: p.DiscardCanceled,
		DiscardOnFailed: p.DiscardFailed, DiscardOnSuspended: p.DiscardSuspended,
	}
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func inspectOperator(o *metadata.Operator) InspectedOperator {
	in := InspectedOperator{
		ID: o.ID.String(), UID: orNil(o.UID), Name: orNil(o.Name), Parallelism: o.Parallelism, MaxParallelism: o.MaxParallelism,
		FullyFinished: o.FullyFinished, Subtasks: []InspectedSubtask{}, Bytes: operatorSize(o), Backend: backendOf(*o), States: statesOf(o),
	}
	if o.Coordinator != nil {
		size := storage.SizeOf(o.Coordinator)
		in.CoordinatorStateBytes = &size
	}
	for _, s := range o.Subtasks {
		in.Subtasks = append(in.Subtasks, InspectedSubtask{
			Index: s.Index, Finished: s.Finished,
			ManagedKeyed: keyedHandles(s.ManagedKeyed), RawKeyed: keyedHandles(s.RawKeyed),
			ManagedOperator: operatorHandles(s.ManagedOperator), RawOperator: operatorHandles(s.RawOperator),
			InputChannel: channels(s.Inputs, inputNames), ResultSubpartition: channels(s.Outputs, outputNames),
		})
	}
	slices.SortStableFunc(in.Subtasks, func(a, b InspectedSubtask) int { return cmp.Compare(a.Index, b.Index) })
	return in
}

// operatorSize returns the size of an operator's state. It is the sum of the sizes that the handles
// record.
func operatorSize(o *metadata.Operator) int64 {
	size := storage.SizeOf(o.Coordinator)
	for _, s := range o.Subtasks {
		size += keyedSize(s.ManagedKeyed) + keyedSize(s.RawKeyed) + operatorHandleSize(s.ManagedOperator) + operatorHandleSize(s.RawOperator)
		for _, ch := range slices.Concat(s.Inputs, s.Outputs) {
			size += ch.Size
		}
	}
	return size
}

func operatorHandleSize(h metadata.OperatorHandle) int64 {
	switch h := h.(type) {
	case *metadata.OperatorList:
		return storage.SizeOf(h.Stream)
	case *metadata.FileMergingOperator:
		return storage.SizeOf(h.Stream)
	}
	return 0
}

func keyedSize(h metadata.KeyedHandle) int64 {
	size := int64(0)
	switch h := h.(type) {
	case *metadata.KeyGroups:
		return storage.SizeOf(h.Stream)
	case *metadata.Incremental:
		size = storage.SizeOf(h.Meta)
		for _, file := range slices.Concat(h.Shared, h.Private) {
			size += storage.SizeOf(file.Stream)
		}
	case *metadata.Changelog:
		for _, inner := range slices.Concat(h.Materialized, h.Changes) {
			size += keyedSize(inner)
		}
	case *metadata.ChangelogFiles:
		return h.Size
	case *metadata.ChangelogBytes:
		for _, change := range h.Changes {
			size += int64(len(change.Data))
		}
	}
	return size
}

// span is a part of a file.
type span struct{ begin, end int64 }

func inspectFiles(checkpoint *metadata.Checkpoint) []InspectedFile {
	files := map[string]*InspectedFile{}
	spans := map[string][]span{}
	note := func(reference metadata.Reference, kind, path string, size int64) *InspectedFile {
		file := files[path]
		if file == nil {
			file = &InspectedFile{Path: path, Kind: kind, Bytes: size, UsedBy: []string{}}
			files[path] = file
		}
		file.References++
		if use := reference.Operator.Label() + ": " + describeState(reference); !slices.Contains(file.UsedBy, use) {
			file.UsedBy = append(file.UsedBy, use)
		}
		return file
	}
	for reference := range checkpoint.References() {
		switch s := reference.Stream.(type) {
		case *metadata.File:
			note(reference, "file", s.Path, s.Size)
		case *metadata.RelativeFile:
			note(reference, "relativeFile", s.Path, s.Size)
		case *metadata.Segment:
			file := note(reference, "segment", s.Path, 0)
			file.End = max(file.End, s.Start+s.Size)
			spans[s.Path] = append(spans[s.Path], span{s.Start, s.Start + s.Size})
		}
	}
	all := []InspectedFile{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if parts := spans[path]; parts != nil {
			files[path].Segments, files[path].Bytes = union(parts)
		}
		all = append(all, *files[path])
	}
	return all
}

// union returns two numbers: how many different offsets the parts begin at, and how many bytes the
// parts cover together.
func union(parts []span) (begins int, covered int64) {
	slices.SortFunc(parts, func(a, b span) int { return cmp.Compare(a.begin, b.begin) })
	last, reached := int64(-1), int64(0)
	for _, p := range parts {
		if p.begin != last {
			begins, last = begins+1, p.begin
		}
		if p.end > reached {
			covered += p.end - max(p.begin, reached)
			reached = p.end
		}
	}
	return begins, covered
}
