package metadata

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// This file describes the format only once: the same code both reads and writes. All numbers are
// big-endian. Only a list, a text, a blob and a frame have a length before them (for a list, the
// number of its items). A blob is a sequence of bytes that this package does not interpret. A frame
// is a part whose length in bytes is recorded, although its content shows the length too; see the
// method framed.

const (
	magic       = 0x4960672d
	masterMagic = 0xc96b1696
)

// The type codes of handles.
const (
	codeNull                = 0
	codeByteStream          = 1
	codeFile                = 2
	codeKeyGroups           = byte(KeyGroupsV1)
	codeOperatorList        = 4
	codeIncrementalV1       = 5
	codeRelativeFile        = 6
	codeKeyGroupsSavepoint  = byte(KeyGroupsSavepoint)
	codeChangelogV1         = 8
	codeChangelogBytes      = 9
	codeChangelogFilesV1    = 10
	codeIncremental         = 11
	codeKeyGroupsV2         = byte(KeyGroupsV2)
	codeChangelogFiles      = 13
	codeChangelog           = 14
	codeSegment             = 15
	codeEmptySegment        = 16
	codeFileMergingOperator = 17
)

// depthMax is the greatest depth to which handles may be nested. Flink nests handles at most two
// deep.
const depthMax = 8

func (c *codec) file(f *Checkpoint) {
	c.magicNumber()
	c.formatVersion(&f.Version)
	if c.err != nil {
		return
	}
	c.natural("checkpoint id", &f.ID)
	list(c, "master state", &f.MasterStates, (*codec).masterState)
	list(c, "operator", &f.Operators, (*codec).operator)
	if c.version >= Version4 {
		c.inside("properties", func() { c.properties(&f.Properties) })
	}
	if c.reading {
		f.Trailing = c.next(len(c.data)-c.at, "what follows")
	} else {
		copy(c.next(len(f.Trailing), "what follows"), f.Trailing)
	}
}

// flippedMax is the largest number of wrong bits in the magic number of damaged metadata. If more
// bits are wrong, and no known version follows, then the file is not metadata.
const flippedMax = 3

func (c *codec) magicNumber() {
	offset, value := c.offset(), int32(magic)
	c.int32("magic number", &value)
	if uint32(value) == magic {
		return
	}
	reason := ErrNotMetadata
	if bits.OnesCount32(uint32(value)^magic) <= flippedMax || c.versionFollows() {
		reason = nil
	}
	c.refuse(reason, offset, "magic number", hex32(magic), hex32(uint32(value)))
}

// versionFollows says whether the next number to read is a known version.
func (c *codec) versionFollows() bool {
	if !c.reading || len(c.data)-c.at < 4 {
		return false
	}
	version := int32(binary.BigEndian.Uint32(c.data[c.at:]))
	return version >= VersionMin && version <= Version
}

func (c *codec) formatVersion(version *int32) {
	offset := c.offset()
	c.int32("version", version)
	c.version = *version
	if *version < VersionMin || *version > Version {
		c.refuse(otherVersion(*version), offset, "version", fmt.Sprintf("%d to %d", VersionMin, Version), *version)
	}
}

// otherVersion returns the reason why an unknown version is refused. A negative version can only be
// damage, which has no reason.
func otherVersion(version int32) error {
	switch {
	case version > Version:
		return ErrTooNew
	case version >= 0:
		return ErrTooOld
	}
	return nil
}

func (c *codec) masterState(m *MasterState) {
	c.constant("magic number", masterMagic)
	c.framed(func() {
		c.int32("version", &m.Version)
		c.text("name", &m.Name)
		c.blob("data", &m.Data)
	})
}

func (c *codec) operator(o *Operator) {
	if c.version >= Version5 {
		c.text("name", &o.Name)
		c.text("uid", &o.UID)
	}
	id := c.next(len(o.ID), "id")
	if c.reading {
		copy(o.ID[:], id)
	} else {
		copy(id, o.ID[:])
	}
	if c.err == nil {
		c.within[len(c.within)-1].operator = o
	}
	offset := c.offset()
	c.int32("parallelism", &o.Parallelism)
	c.int32("maximum parallelism", &o.MaxParallelism)
	if o.Parallelism < 1 || o.Parallelism > o.MaxParallelism || o.MaxParallelism > 1<<15 {
		c.fail(offset, "parallelism", "1 to the maximum, and that at most 32768", fmt.Sprintf("%d and %d", o.Parallelism, o.MaxParallelism))
	}
	c.parallelism = o.Parallelism
	if c.version == VersionMin {
		c.int32("length of the chain", &o.ChainLength)
		list(c, "subtask", &o.Subtasks, (*codec).subtaskV2)
		return
	}
	offset = c.offset()
	c.inside("coordinator", func() { c.stream(&o.Coordinator) })
	if _, inline := o.Coordinator.(*ByteStream); o.Coordinator != nil {
		c.check(inline, offset, "coordinator", "a byte stream", streamCode(o.Coordinator))
	}
	c.fullyFinished(o)
	if !o.FullyFinished {
		list(c, "subtask", &o.Subtasks, (*codec).subtask, finishedSubtask)
	}
}

func finishedSubtask() Subtask { return Subtask{Finished: true} }

// fullyFinished reads or writes the number -1 in place of the number of subtasks, if the whole
// operator has finished.
func (c *codec) fullyFinished(o *Operator) {
	if c.reading {
		begin, finished := c.at, int32(-1)
		c.int32("number of subtasks", &finished)
		if o.FullyFinished = finished == -1; !o.FullyFinished {
			c.at = begin // the function list reads this number again
			return
		}
	} else if o.FullyFinished {
		c.constant("number of subtasks", 0xffffffff)
	}
	c.check(!o.FullyFinished || (o.Coordinator == nil && len(o.Subtasks) == 0), c.offset(), "number of subtasks",
		"no state of a fully finished operator", "some")
}

func (c *codec) subtaskIndex(offset int, index int32) {
	if index < 0 || index >= c.parallelism {
		c.fail(offset, "index", fmt.Sprintf("0 to %d", c.parallelism-1), index)
	}
}

func (c *codec) subtaskV2(s *Subtask) {
	offset := c.offset()
	c.int32("index", &s.Index)
	c.subtaskIndex(offset, s.Index)
	c.int64("duration", &s.Duration)
	c.noLegacyState()
	c.state(s)
}

// noLegacyState reads or writes the number 0. The number 1 means that legacy state follows, and
// such a file is refused.
func (c *codec) noLegacyState() {
	offset, n := c.offset(), int32(0)
	c.int32("legacy state", &n)
	switch n {
	case 0:
	case 1:
		c.refuse(ErrLegacyState, offset, "legacy state", hex32(0), hex32(uint32(n)))
	default:
		c.fail(offset, "legacy state", hex32(0), hex32(uint32(n)))
	}
}

func (c *codec) subtask(s *Subtask) {
	offset, index := c.offset(), s.Index
	if s.Finished {
		index = -index - 1
	}
	c.int32("index", &index)
	if s.Finished = index < 0; s.Finished {
		index = -index - 1
	}
	s.Index = index
	c.subtaskIndex(offset, index)
	if s.Finished {
		return
	}
	c.state(s)
	c.channels("input channel", &s.Inputs, (*codec).input)
	c.channels("output channel", &s.Outputs, (*codec).output)
}

// state reads or writes those parts of a subtask that exist in all versions.
func (c *codec) state(s *Subtask) {
	managed, raw := s.ManagedOperator != nil, s.RawOperator != nil
	c.optional("managed operator state", &managed, func() { c.operatorHandle(&s.ManagedOperator) })
	c.optional("raw operator state", &raw, func() { c.operatorHandle(&s.RawOperator) })
	c.inside("managed keyed state", func() { c.keyed(&s.ManagedKeyed) })
	c.inside("raw keyed state", func() { c.keyed(&s.RawKeyed) })
}

// code reads or writes the type code of a handle, and returns the offset of the code.
func (c *codec) code(code *byte) (offset int) {
	offset = c.offset()
	c.byte("type", code)
	if c.depth > depthMax {
		c.fail(offset, "type", fmt.Sprintf("handles at most %d deep", depthMax), "more")
	}
	return offset
}

func (c *codec) unknownCode(offset int, want string, code byte) { c.fail(offset, "type", want, code) }

// stream reads or writes a stream handle, which may be null.
func (c *codec) stream(s *Stream) {
	code := streamCode(*s)
	offset := c.code(&code)
	if c.err != nil {
		return
	}
	if c.reading {
		*s = newStream(code)
	}
	switch s := (*s).(type) {
	case nil:
		if code != codeNull {
			c.unknownCode(offset, "that of a stream (0 to 3, 6, 15 or 16)", code)
		}
	case *ByteStream:
		c.text("name", &s.Name)
		c.blob("state", &s.Data)
	case *File:
		c.size("size", &s.Size)
		c.text("path", &s.Path)
	case *RelativeFile:
		c.text("path", &s.Path)
		c.size("size", &s.Size)
	case *KeyGroups:
		c.keyGroups(s)
	case *Segment:
		c.segment(s)
	case *EmptySegment:
	}
}

func (c *codec) segment(s *Segment) {
	c.natural("start", &s.Start)
	c.natural("size", &s.Size)
	offset, scope := c.offset(), int32(s.Scope)
	c.int32("scope", &scope)
	s.Scope = Scope(scope)
	c.check(scope == int32(Exclusive) || scope == int32(Shared), offset, "scope", "0 or 1", scope)
	c.text("path", &s.Path)
	c.text("logical id", &s.LogicalID)
}

func streamCode(s Stream) byte {
	switch s := s.(type) {
	case *ByteStream:
		return codeByteStream
	case *File:
		return codeFile
	case *KeyGroups:
		return byte(s.Kind)
	case *RelativeFile:
		return codeRelativeFile
	case *Segment:
		return codeSegment
	case *EmptySegment:
		return codeEmptySegment
	}
	return codeNull
}

func newStream(code byte) Stream {
	switch code {
	case codeByteStream:
		return &ByteStream{}
	case codeFile:
		return &File{}
	case codeKeyGroups:
		return &KeyGroups{Kind: KeyGroupsV1}
	case codeRelativeFile:
		return &RelativeFile{}
	case codeSegment:
		return &Segment{}
	case codeEmptySegment:
		return &EmptySegment{}
	}
	return nil
}

// someStream reads or writes a stream handle that must not be null.
func (c *codec) someStream(s *Stream) {
	offset := c.offset()
	c.stream(s)
	c.check(*s != nil, offset, "type", "a stream", "null")
}

func (c *codec) operatorHandle(h *OperatorHandle) {
	code := byte(codeOperatorList)
	if _, merged := (*h).(*FileMergingOperator); merged {
		code = codeFileMergingOperator
	}
	offset := c.code(&code)
	if c.reading && code == codeOperatorList {
		*h = &OperatorList{}
	} else if c.reading && code == codeFileMergingOperator {
		*h = &FileMergingOperator{}
	}
	switch h := (*h).(type) {
	case nil:
		c.unknownCode(offset, "that of operator state (4 or 17)", code)
	case *OperatorList:
		c.namedStates(&h.States)
		c.someStream(&h.Stream)
	case *FileMergingOperator:
		c.namedStates(&h.States)
		c.text("directory of task-owned files", &h.TaskOwnedDir)
		c.text("directory of shared files", &h.SharedDir)
		c.bool("empty", &h.Empty)
		offset := c.offset()
		c.someStream(&h.Stream)
		_, empty := h.Stream.(*EmptySegment)
		_, full := h.Stream.(*Segment)
		c.check(empty == h.Empty && (empty || full), offset, "type", "a segment, empty if said so", streamCode(h.Stream))
	}
}

func (c *codec) namedStates(states *[]NamedState) {
	list(c, "named state", states, (*codec).namedState)
}

func (c *codec) namedState(s *NamedState) {
	c.text("name", &s.Name)
	offset, mode := c.offset(), byte(s.Mode)
	c.byte("mode", &mode)
	if c.check(mode <= byte(Broadcast), offset, "mode", "0 to 2", mode) {
		s.Mode = Mode(mode)
	}
	c.offsets(&s.Offsets)
}

func (c *codec) offsets(offsets *[]int64) {
	list(c, "offset", offsets, (*codec).position)
}

func (c *codec) position(p *int64) { c.int64("offset", p) }

// keyed reads or writes a handle of keyed state, which may be null.
func (c *codec) keyed(h *KeyedHandle) {
	c.depth++
	defer func() { c.depth-- }()
	code := keyedCode(*h)
	offset := c.code(&code)
	if c.err != nil {
		return
	}
	if c.reading {
		*h = newKeyed(code)
	}
	switch h := (*h).(type) {
	case nil:
		if code != codeNull {
			c.unknownCode(offset, "that of keyed state (0, 3, 5 or 7 to 14)", code)
		}
	case *KeyGroups:
		c.keyGroups(h)
	case *Incremental:
		c.incremental(h)
	case *Changelog:
		c.changelog(h)
	case *ChangelogBytes:
		c.changelogBytes(h)
	case *ChangelogFiles:
		c.changelogFiles(h)
	}
}

func keyedCode(h KeyedHandle) byte {
	old := func(v1 bool, code, codeV1 byte) byte {
		if v1 {
			return codeV1
		}
		return code
	}
	switch h := h.(type) {
	case *KeyGroups:
		return byte(h.Kind)
	case *Incremental:
		return old(h.V1, codeIncremental, codeIncrementalV1)
	case *Changelog:
		return old(h.V1, codeChangelog, codeChangelogV1)
	case *ChangelogBytes:
		return codeChangelogBytes
	case *ChangelogFiles:
		return old(h.V1, codeChangelogFiles, codeChangelogFilesV1)
	}
	return codeNull
}

func newKeyed(code byte) KeyedHandle {
	switch code {
	case codeKeyGroups, codeKeyGroupsSavepoint, codeKeyGroupsV2:
		return &KeyGroups{Kind: KeyGroupsKind(code)}
	case codeIncremental, codeIncrementalV1:
		return &Incremental{V1: code == codeIncrementalV1}
	case codeChangelog, codeChangelogV1:
		return &Changelog{V1: code == codeChangelogV1}
	case codeChangelogBytes:
		return &ChangelogBytes{}
	case codeChangelogFiles, codeChangelogFilesV1:
		return &ChangelogFiles{V1: code == codeChangelogFilesV1}
	}
	return nil
}

func (c *codec) keyGroups(k *KeyGroups) {
	c.depth++
	defer func() { c.depth-- }()
	c.natural32("first key group", &k.Start)
	c.offsets(&k.Offsets)
	c.someStream(&k.Stream)
	if k.Kind == KeyGroupsV2 {
		c.text("state handle id", &k.ID)
	}
}

func (c *codec) keyGroupRange(r *KeyGroupRange) {
	c.natural32("first key group", &r.Start)
	c.natural32("number of key groups", &r.Count)
}

func (c *codec) incremental(i *Incremental) {
	c.int64("checkpoint id", &i.Checkpoint)
	c.text("backend id", &i.Backend)
	c.keyGroupRange(&i.Range)
	if !i.V1 {
		c.size("checkpointed size", &i.CheckpointedSize)
	}
	c.inside("backend's metadata", func() { c.stream(&i.Meta) })
	c.localFiles("shared file", &i.Shared)
	c.localFiles("private file", &i.Private)
	if !i.V1 {
		c.text("state handle id", &i.ID)
	}
}

func (c *codec) localFiles(what string, files *[]LocalFile) {
	list(c, what, files, (*codec).localFile)
}

func (c *codec) localFile(f *LocalFile) {
	c.text("local path", &f.LocalPath)
	c.someStream(&f.Stream)
}

func (c *codec) changelog(h *Changelog) {
	c.keyGroupRange(&h.Range)
	c.natural("checkpointed size", &h.CheckpointedSize)
	list(c, "materialized state", &h.Materialized, (*codec).keyed)
	list(c, "change handle", &h.Changes, (*codec).someKeyed, smallestKeyed)
	c.int64("materialization", &h.Materialization)
	if !h.V1 {
		c.int64("checkpoint id", &h.Checkpoint)
	}
	c.text("state handle id", &h.ID)
}

// someKeyed reads or writes a handle of keyed state that must not be null.
func (c *codec) someKeyed(h *KeyedHandle) {
	offset := c.offset()
	c.keyed(h)
	c.check(*h != nil, offset, "type", "keyed state", "null")
}

func smallestKeyed() KeyedHandle { return &KeyGroups{Kind: KeyGroupsSavepoint} }

func (c *codec) changelogBytes(h *ChangelogBytes) {
	c.keyGroupRange(&h.Range)
	c.int64("from", &h.From)
	c.int64("to", &h.To)
	list(c, "change", &h.Changes, (*codec).change)
	c.text("state handle id", &h.ID)
}

func (c *codec) change(change *Change) {
	c.int32("key group", &change.KeyGroup)
	c.blob("change", &change.Data)
}

func (c *codec) changelogFiles(h *ChangelogFiles) {
	c.keyGroupRange(&h.Range)
	list(c, "stream", &h.Streams, (*codec).offsetStream)
	c.natural("size", &h.Size)
	c.natural("checkpointed size", &h.CheckpointedSize)
	c.text("state handle id", &h.ID)
	if !h.V1 {
		c.text("storage", &h.Storage)
	}
}

func (c *codec) offsetStream(s *OffsetStream) {
	c.natural("offset", &s.Offset)
	c.stream(&s.Stream)
}

// Type codes of channel handles in version 6.
const (
	channelInput  = 1
	channelOutput = 2
	channelMerged = 2 // added to the type code if the handle is merged
)

// channels reads or writes handles of channel state. In versions before 6, no handle is merged.
func (c *codec) channels(what string, channels *[]Channel, each func(*codec, *Channel)) {
	if c.version < Version {
		list(c, what, channels, each, oneChannel)
		return
	}
	list(c, what, channels, each, oneChannel, mergedChannel)
}

func oneChannel() Channel    { return Channel{Channels: make([]ChannelPart, 1)} }
func mergedChannel() Channel { return Channel{Merged: true} }

func (c *codec) input(ch *Channel)  { c.channel(ch, channelInput) }
func (c *codec) output(ch *Channel) { c.channel(ch, channelOutput) }

func (c *codec) channel(ch *Channel, kind byte) {
	c.channelKind(ch, kind)
	c.natural32("subtask", &ch.Subtask)
	if ch.Merged {
		c.mergedChannels(ch)
		return
	}
	if c.reading {
		ch.Channels = make([]ChannelPart, 1)
	}
	if !c.check(len(ch.Channels) == 1, c.offset(), "channels", "1", len(ch.Channels)) {
		return
	}
	part := &ch.Channels[0]
	c.natural32("gate or partition", &part.Gate)
	c.natural32("channel or subpartition", &part.Channel)
	c.offsets(&part.Offsets)
	c.natural("size", &ch.Size)
	part.Size = ch.Size
	c.someStream(&ch.Stream)
}

// channelKind reads or writes the type code of a channel handle. Versions before 6 have no such
// code.
func (c *codec) channelKind(ch *Channel, kind byte) {
	offset := c.offset()
	if c.version < Version {
		c.check(!ch.Merged, offset, "type", "no merged channels before version 6", "some")
		return
	}
	code := kind
	if ch.Merged {
		code += channelMerged
	}
	c.byte("type", &code)
	ch.Merged = code == kind+channelMerged
	c.check(code == kind || ch.Merged, offset, "type", fmt.Sprintf("%d or %d", kind, kind+channelMerged), code)
}

// mergedChannels reads or writes a merged channel handle (version 6): one stream for several
// channels. The length in bytes of the list of channels comes before the list.
func (c *codec) mergedChannels(ch *Channel) {
	c.natural("size", &ch.Size)
	c.stream(&ch.Stream)
	c.inside("channels", func() {
		c.framed(func() { list(c, "channel", &ch.Channels, (*codec).channelPart) })
	})
}

func (c *codec) channelPart(part *ChannelPart) {
	c.natural32("gate or partition", &part.Gate)
	c.natural32("channel or subpartition", &part.Channel)
	c.natural("size", &part.Size)
	c.offsets(&part.Offsets)
}
