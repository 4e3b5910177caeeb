package metadata

// Stream is a piece of state that can be read from beginning to end. It is a [*ByteStream],
// [*File], [*RelativeFile], [*Segment], [*EmptySegment], or an old [*KeyGroups].
type Stream interface{ isStream() }

// ByteStream is state inside the `_metadata` file itself. Its name often looks like a path, but no
// such file exists.
type ByteStream struct {
	Name string
	Data []byte
}

// File is state in a file with an absolute path.
type File struct {
	Path string // a URL, for example file:/checkpoints/…
	Size int64  // bytes
}

// RelativeFile is state in a file beside the `_metadata` file.
type RelativeFile struct {
	Path string
	Size int64 // bytes
}

// Segment is state in a part of a file. Other parts of the file may hold the state of other
// checkpoints.
type Segment struct {
	Start     int64 // bytes from the file's beginning
	Size      int64 // bytes
	Scope     Scope
	Path      string // path of the whole file, a URL
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

// Scope says to whom a file belongs.
type Scope int32

// The scopes, with their numbers in the format.
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

// OperatorList is operator state by name. All of it is in one stream.
type OperatorList struct {
	States []NamedState
	Stream Stream
}

// FileMergingOperator is operator state in a segment of a merged file. Flink deletes the two
// directories when the last job that used them ends.
type FileMergingOperator struct {
	OperatorList
	TaskOwnedDir string
	SharedDir    string
	Empty        bool // whether it has no bytes; then the stream is an [*EmptySegment]
}

func (*OperatorList) isOperator()        {}
func (*FileMergingOperator) isOperator() {}

// NamedState says where the elements of one named state begin in the stream.
type NamedState struct {
	Name    string
	Mode    Mode
	Offsets []int64
}

// Mode says how the elements of a named state are distributed to subtasks.
type Mode int8

// The modes, with their numbers in the format.
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

// Last returns the last key group of the range. It is less than Start if the range is empty.
func (r KeyGroupRange) Last() int32 { return r.Start + r.Count - 1 }

// KeyGroups is keyed state in one stream. The key groups follow each other.
type KeyGroups struct {
	Kind    KeyGroupsKind
	Start   int32
	Offsets []int64 // where each key group begins in the stream; the first is Start
	Stream  Stream
	ID      string // only of KeyGroupsV2
}

// Range returns the key groups of this state.
func (k *KeyGroups) Range() KeyGroupRange { return KeyGroupRange{k.Start, int32(len(k.Offsets))} }

// KeyGroupsKind says in which form [KeyGroups] were recorded.
type KeyGroupsKind byte

// The kinds, with their numbers in the format.
const (
	KeyGroupsV1        KeyGroupsKind = 3 // up to Flink 1.14
	KeyGroupsSavepoint KeyGroupsKind = 7 // used in canonical savepoints
	KeyGroupsV2        KeyGroupsKind = 12
)

// Incremental is keyed state of a backend that shares files between checkpoints.
type Incremental struct {
	Checkpoint       int64 // the checkpoint for which the handle was made
	Backend          string
	Range            KeyGroupRange
	CheckpointedSize int64  // bytes written for this checkpoint
	Meta             Stream // nil if there is none
	Shared           []LocalFile
	Private          []LocalFile
	ID               string
	V1               bool // form of Flink up to 1.14, without sizes and ID
}

// LocalFile is a file of a backend, and the copy of this file in the checkpoint.
type LocalFile struct {
	LocalPath string
	Stream    Stream
}

// Changelog is keyed state in two parts: materialized state, and the changes since its
// materialization.
type Changelog struct {
	Range            KeyGroupRange
	CheckpointedSize int64         // bytes
	Materialized     []KeyedHandle // Flink skips a nil element
	Changes          []KeyedHandle
	Materialization  int64 // the number of the materialization
	Checkpoint       int64 // recorded since Flink 1.16
	ID               string
	V1               bool
}

// ChangelogBytes are changes inside the `_metadata` file itself.
type ChangelogBytes struct {
	Range    KeyGroupRange
	From, To int64 // sequence numbers
	Changes  []Change
	ID       string
}

// Change is a change of one key group. KeyGroup is -1 for data about the backend itself.
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
	Storage          string // what wrote the files, for example filesystem
	V1               bool   // form of Flink up to 1.15, without Storage
}

// OffsetStream is a stream. The handle uses only the part of it that begins at Offset.
type OffsetStream struct {
	Offset int64
	Stream Stream
}

func (*KeyGroups) isKeyed()      {}
func (*Incremental) isKeyed()    {}
func (*Changelog) isKeyed()      {}
func (*ChangelogBytes) isKeyed() {}
func (*ChangelogFiles) isKeyed() {}

// Channel is data in flight, from an unaligned checkpoint. It is the data of one channel or, if
// Merged, of several.
type Channel struct {
	Merged   bool
	Subtask  int32
	Channels []ChannelPart // exactly one, unless Merged
	Size     int64         // bytes
	Stream   Stream
}

// ChannelPart says where the data of one channel begins in a stream.
type ChannelPart struct {
	Gate, Channel int32 // for an input; for an output: the partition and the subpartition
	Size          int64 // bytes
	Offsets       []int64
}

// Handles returns a value of each handle type that the reference writes, for encodings that need to
// know the types.
func Handles() []any {
	return []any{
		&ByteStream{}, &File{}, &RelativeFile{}, &Segment{}, &OperatorList{}, &FileMergingOperator{},
		&KeyGroups{}, &Incremental{}, &Changelog{}, &ChangelogBytes{}, &ChangelogFiles{},
	}
}
