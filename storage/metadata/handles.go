package metadata

// Stream is a piece of state that is read from beginning to end. It is a [*ByteStream], [*File],
// [*RelativeFile], [*Segment], [*EmptySegment], or, in an old file, a [*KeyGroups].
type Stream interface{ isStream() }

// ByteStream is state inside the `_metadata` file itself (Flink's ByteStreamStateHandle). Its name
// often looks like a path, but no file with this path exists.
type ByteStream struct {
	Name string
	Data []byte
}

// File is state in a file with an absolute path (Flink's FileStateHandle).
type File struct {
	Path string // a URL, for example file:/checkpoints/…
	Size int64  // size in bytes
}

// RelativeFile is state in a file in the same directory as the `_metadata` file (Flink's
// RelativeFileStateHandle).
type RelativeFile struct {
	Path string
	Size int64 // size in bytes
}

// Segment is state in a part of a file (Flink's SegmentFileStateHandle). Flink writes segments if
// file merging is enabled. Other parts of the file may contain state of other checkpoints.
type Segment struct {
	Start     int64 // offset of the part in the file, in bytes
	Size      int64 // size of the part in bytes
	Scope     Scope
	Path      string // URL of the whole file
	LogicalID string
}

// EmptySegment is a piece of state without any bytes (Flink's EmptySegmentFileStateHandle).
type EmptySegment struct{}

func (*ByteStream) isStream()   {}
func (*File) isStream()         {}
func (*RelativeFile) isStream() {}
func (*Segment) isStream()      {}
func (*EmptySegment) isStream() {}
func (*KeyGroups) isStream()    {}

// Scope says to which checkpoints a file belongs.
type Scope int32

// The scopes, with the numbers that the format uses.
const (
	Exclusive Scope = 0 // the file belongs to one checkpoint
	Shared    Scope = 1 // the file belongs to several checkpoints
)

func (s Scope) String() string {
	if s == Shared {
		return "SHARED"
	}
	return "EXCLUSIVE"
}

// OperatorHandle is state that is not keyed: [*OperatorList] or [*FileMergingOperator].
type OperatorHandle interface{ isOperator() }

// OperatorList is operator state that consists of named states (Flink's OperatorStreamStateHandle).
// All named states are in one stream.
type OperatorList struct {
	States []NamedState
	Stream Stream
}

// FileMergingOperator is operator state in a segment of a file that Flink merged from several
// files. Flink deletes the two directories when the last job that used them ends.
type FileMergingOperator struct {
	OperatorList
	TaskOwnedDir string
	SharedDir    string
	Empty        bool // true if the state has no bytes; then its stream is an [*EmptySegment]
}

func (*OperatorList) isOperator()        {}
func (*FileMergingOperator) isOperator() {}

// NamedState is one named state. Its offsets say where the state's elements begin in the stream.
type NamedState struct {
	Name    string
	Mode    Mode
	Offsets []int64
}

// Mode says how Flink distributes the elements of a named state to subtasks.
type Mode int8

// The modes, with the numbers that the format uses.
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

// Last returns the last key group of the range. If the range is empty, the result is less than
// Start.
func (r KeyGroupRange) Last() int32 { return r.Start + r.Count - 1 }

// KeyGroups is keyed state in one stream (Flink's KeyGroupsStateHandle). The stream contains one
// key group after the other.
type KeyGroups struct {
	Kind    KeyGroupsKind
	Start   int32
	Offsets []int64 // where each key group begins in the stream; the first offset belongs to the key group Start
	Stream  Stream
	ID      string // only if the kind is KeyGroupsV2
}

// Range returns the key groups of this state.
func (k *KeyGroups) Range() KeyGroupRange { return KeyGroupRange{k.Start, int32(len(k.Offsets))} }

// KeyGroupsKind says in which form [KeyGroups] were recorded.
type KeyGroupsKind byte

// The kinds, with the numbers that the format uses.
const (
	KeyGroupsV1        KeyGroupsKind = 3 // written by Flink up to 1.14
	KeyGroupsSavepoint KeyGroupsKind = 7 // used in canonical savepoints
	KeyGroupsV2        KeyGroupsKind = 12
)

// Incremental is keyed state of an incremental checkpoint, whose files other checkpoints may share
// (Flink's IncrementalRemoteKeyedStateHandle).
type Incremental struct {
	Checkpoint       int64 // id of the checkpoint for which Flink created the handle
	Backend          string
	Range            KeyGroupRange
	CheckpointedSize int64  // number of bytes that were written for this checkpoint
	Meta             Stream // the backend's own metadata; nil if it has none
	Shared           []LocalFile
	Private          []LocalFile
	ID               string
	V1               bool // true for the form of Flink up to 1.14, which has no sizes and no ID
}

// LocalFile is a file of a backend. Its stream is the copy of this file in the checkpoint.
type LocalFile struct {
	LocalPath string
	Stream    Stream
}

// Changelog is keyed state of the changelog backend, in two parts: the materialized state, and the
// changes since the materialization (Flink's ChangelogStateBackendHandle).
type Changelog struct {
	Range            KeyGroupRange
	CheckpointedSize int64         // size in bytes
	Materialized     []KeyedHandle // an element may be nil; Flink skips such an element
	Changes          []KeyedHandle
	Materialization  int64 // number of the materialization
	Checkpoint       int64 // id of the checkpoint; Flink records it since 1.16
	ID               string
	V1               bool
}

// ChangelogBytes is a list of changelog changes inside the `_metadata` file itself (Flink's
// InMemoryChangelogStateHandle).
type ChangelogBytes struct {
	Range    KeyGroupRange
	From, To int64 // sequence numbers of the changes
	Changes  []Change
	ID       string
}

// Change is a change in one key group. If the change belongs to no key group, because it describes
// a state and not a key (Flink's metadata change), KeyGroup is -1.
type Change struct {
	KeyGroup int32
	Data     []byte
}

// ChangelogFiles is a list of changelog changes that are in files (Flink's
// ChangelogStateHandleStreamImpl).
type ChangelogFiles struct {
	Range            KeyGroupRange
	Streams          []OffsetStream
	Size             int64 // size in bytes
	CheckpointedSize int64 // size in bytes
	ID               string
	Storage          string // name of the storage that wrote the files, for example filesystem
	V1               bool   // true for the form of Flink up to 1.15, which has no Storage
}

// OffsetStream is a stream with an offset. The changes begin at that offset of the stream.
type OffsetStream struct {
	Offset int64
	Stream Stream
}

func (*KeyGroups) isKeyed()      {}
func (*Incremental) isKeyed()    {}
func (*Changelog) isKeyed()      {}
func (*ChangelogBytes) isKeyed() {}
func (*ChangelogFiles) isKeyed() {}

// Channel is data in flight that an unaligned checkpoint contains (Flink's InputStateHandle or
// OutputStateHandle). The data belongs to one channel or, if Merged is true, to several channels.
type Channel struct {
	Merged   bool
	Subtask  int32
	Channels []ChannelPart // exactly one part, unless Merged is true
	Size     int64         // size in bytes
	Stream   Stream
}

// ChannelPart says where the data of one channel begins in a stream.
type ChannelPart struct {
	Gate, Channel int32 // the gate and the channel of an input; the partition and the subpartition of an output
	Size          int64 // size in bytes
	Offsets       []int64
}

// Handles returns one value of each handle type that the reference engine writes. Some encodings,
// such as gob, must know these types.
func Handles() []any {
	return []any{
		&ByteStream{}, &File{}, &RelativeFile{}, &Segment{}, &OperatorList{}, &FileMergingOperator{},
		&KeyGroups{}, &Incremental{}, &Changelog{}, &ChangelogBytes{}, &ChangelogFiles{},
	}
}
