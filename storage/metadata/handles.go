package metadata

// Stream is a piece of state that can be read from its beginning to its end:
// [*ByteStream], [*File], [*RelativeFile], [*Segment], [*EmptySegment], or an old
// [*KeyGroups].
type Stream interface{ isStream() }

// ByteStream is state that lies in the `_metadata` file itself. Its name often looks
// like a path; there is no such file.
type ByteStream struct {
	Name string
	Data []byte
}

// File is state in a file with an absolute path.
type File struct {
	Path string // a URL, as in file:/checkpoints/…
	Size int64  // bytes
}

// RelativeFile is state in a file beside the `_metadata` file.
type RelativeFile struct {
	Path string
	Size int64 // bytes
}

// Segment is state in a part of a file that holds the state of several checkpoints.
type Segment struct {
	Start     int64 // bytes from the file's beginning
	Size      int64 // bytes
	Scope     Scope
	Path      string // of the physical file, a URL
	LogicalID string
}

// EmptySegment is a piece of state without any bytes.
type EmptySegment struct{}

func (*ByteStream) isStream()   {}
func (*File) isStream()         {}
func (*RelativeFile) isStream() {}
func (*Segment) isStream()      {}
func (*EmptySegment) isStream() {}
func (*KeyGroups) isStream()    {}

// Scope says who a file belongs to.
type Scope int32

// The scopes, by the numbers that are recorded.
const (
	Exclusive Scope = 0 // one checkpoint
	Shared    Scope = 1 // several
)

func (s Scope) String() string {
	if s == Shared {
		return "SHARED"
	}
	return "EXCLUSIVE"
}

// OperatorHandle is non-keyed state: [*OperatorList] or [*FileMergingOperator].
type OperatorHandle interface{ isOperator() }

// OperatorList is operator state by name, all in one stream.
type OperatorList struct {
	States []NamedState
	Stream Stream
}

// FileMergingOperator is operator state in a segment of a merged file. The
// directories are what Flink deletes when the last job that used them ends.
type FileMergingOperator struct {
	OperatorList
	TaskOwnedDir string
	SharedDir    string
	Empty        bool // then the stream is an [*EmptySegment]
}

func (*OperatorList) isOperator()        {}
func (*FileMergingOperator) isOperator() {}

// NamedState says where the elements of one named state begin in a stream.
type NamedState struct {
	Name    string
	Mode    Mode
	Offsets []int64
}

// Mode says how the elements of a named state are spread over subtasks.
type Mode int8

// The modes, by the numbers that are recorded.
const (
	SplitDistribute Mode = 0
	Union           Mode = 1
	Broadcast       Mode = 2
)

func (m Mode) String() string {
	return [...]string{"SPLIT_DISTRIBUTE", "UNION", "BROADCAST"}[m]
}

// KeyedHandle is keyed state: [*KeyGroups], [*Incremental], [*Changelog],
// [*ChangelogBytes] or [*ChangelogFiles].
type KeyedHandle interface{ isKeyed() }

// KeyGroupRange is a range of key groups.
type KeyGroupRange struct {
	Start, Count int32
}

// Last is the last key group of the range; before Start if the range is empty.
func (r KeyGroupRange) Last() int32 { return r.Start + r.Count - 1 }

// KeyGroups is keyed state in one stream, key group after key group.
type KeyGroups struct {
	Kind    KeyGroupsKind
	Start   int32
	Offsets []int64 // of each key group, from Start on
	Stream  Stream
	ID      string // of KeyGroupsV2 only
}

// Range returns the key groups that the state is of.
func (k *KeyGroups) Range() KeyGroupRange { return KeyGroupRange{k.Start, int32(len(k.Offsets))} }

// KeyGroupsKind tells apart the ways in which [KeyGroups] were recorded.
type KeyGroupsKind byte

// The kinds, by the numbers that are recorded.
const (
	KeyGroupsV1        KeyGroupsKind = 3 // before Flink 1.15
	KeyGroupsSavepoint KeyGroupsKind = 7 // of canonical savepoints
	KeyGroupsV2        KeyGroupsKind = 12
)

// Incremental is keyed state of a backend whose files are shared by checkpoints.
type Incremental struct {
	Checkpoint       int64 // that the handle was made for
	Backend          string
	Range            KeyGroupRange
	CheckpointedSize int64  // bytes written for this checkpoint
	Meta             Stream // nil if there is none
	Shared           []LocalFile
	Private          []LocalFile
	ID               string
	V1               bool // recorded before Flink 1.15: without sizes and ID
}

// LocalFile is a file of a backend, and where a copy of it lies.
type LocalFile struct {
	LocalPath string
	Stream    Stream
}

// Changelog is keyed state as materialized state and the changes since then.
type Changelog struct {
	Range            KeyGroupRange
	CheckpointedSize int64         // bytes
	Materialized     []KeyedHandle // Flink skips a nil one
	Changes          []KeyedHandle
	Materialization  int64 // which
	Checkpoint       int64 // not recorded before Flink 1.16
	ID               string
	V1               bool
}

// ChangelogBytes are changes that lie in the `_metadata` file itself.
type ChangelogBytes struct {
	Range    KeyGroupRange
	From, To int64 // sequence numbers
	Changes  []Change
	ID       string
}

// Change is a change of one key group; -1 for the backend's own data.
type Change struct {
	KeyGroup int32
	Data     []byte
}

// ChangelogFiles are changes in files.
type ChangelogFiles struct {
	Range            KeyGroupRange
	Streams          []OffsetStream
	Size             int64 // bytes
	CheckpointedSize int64 // bytes
	ID               string
	Storage          string // what wrote them; filesystem
	V1               bool   // recorded before Flink 1.16: without Storage
}

// OffsetStream is a stream of which a handle owns what begins at the offset.
type OffsetStream struct {
	Offset int64
	Stream Stream
}

func (*KeyGroups) isKeyed()      {}
func (*Incremental) isKeyed()    {}
func (*Changelog) isKeyed()      {}
func (*ChangelogBytes) isKeyed() {}
func (*ChangelogFiles) isKeyed() {}

// Channel is the data that was on its way on one channel of an unaligned checkpoint
// or, merged, on several.
type Channel struct {
	Merged   bool
	Subtask  int32
	Channels []ChannelPart // one, if not merged
	Size     int64         // bytes
	Stream   Stream
}

// ChannelPart says where the data of one channel begins in a stream.
type ChannelPart struct {
	Gate, Channel int32 // of an input; of an output: partition and subpartition
	Size          int64 // bytes
	Offsets       []int64
}

// Handles returns one of each handle, for encodings that must know the types.
func Handles() []any {
	return []any{
		&ByteStream{}, &File{}, &RelativeFile{}, &Segment{}, &OperatorList{}, &FileMergingOperator{},
		&KeyGroups{}, &Incremental{}, &Changelog{}, &ChangelogBytes{}, &ChangelogFiles{},
	}
}
