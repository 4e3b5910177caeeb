package evidence

import (
	"encoding/hex"
	"fmt"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage/filesystem"
)

// Checkpoint is what a `_metadata` file says about a checkpoint.
type Checkpoint struct {
	ID            int64
	References    []Reference // in the recorded order; inline state has no reference
	InFlightBytes int64       // the size of the state of all channels: the records that barriers overtook
	InlineMax     int64       // the size of the largest piece of state that `_metadata` itself holds, in bytes
	Operators     []history.Operator
}

// Reference is one place in `_metadata` that names a file.
type Reference struct {
	Kind Kind
	Path string // the path, as `_metadata` records it
	Size int64  // the size in bytes, as `_metadata` records it; -1 if the writer did not know the size
}

// Kind says how a [Reference] names its file.
type Kind string

// These are the kinds of references.
const (
	File     Kind = "file"         // named by a URL
	Relative Kind = "relativeFile" // named by a path below the checkpoint's directory
	Segment  Kind = "segment"      // a part of a file that is named by a URL
)

// In returns the name of the referenced file. The parameter is the directory of the checkpoint that
// has the reference.
func (r Reference) In(directory string) (name string, err error) {
	if r.Kind == Relative {
		return filesystem.Join(directory, r.Path), nil
	}
	return filesystem.ParseName(r.Path)
}

// The first magic number is at the beginning of each `_metadata` file. The second magic number is
// at the beginning of the state of each master hook of Flink.
const (
	fileMagic   = 0x4960672d
	masterMagic = 0xc96b1696
)

// These are the codes of the state handles. The code is the first byte of a handle, and says which
// kind of handle follows.
const (
	null                = 0
	byteStream          = 1
	file                = 2
	keyGroupsV1         = 3
	operatorList        = 4
	incrementalV1       = 5
	relativeFile        = 6
	savepointKeyGroups  = 7
	changelogV1         = 8
	changelogBytes      = 9
	changelogFilesV1    = 10
	incrementalV2       = 11
	keyGroupsV2         = 12
	changelogFilesV2    = 13
	changelogV2         = 14
	segment             = 15
	emptySegment        = 16
	fileMergingOperator = 17
)

// Decode reads the content of a `_metadata` file, of versions 2 to 6. It ignores bytes
// after the end, as Flink does.
func Decode(data []byte) (Checkpoint, error) {
	d := &decoder{data: data}
	d.metadata()
	if d.err == nil {
		d.found.Operators = d.operators
	}
	return d.found, d.err
}

func (d *decoder) metadata() {
	d.constant("magic number", fileMagic)
	d.version = d.number("version", 2, 6)
	d.found.ID = d.int64("checkpoint id", 0)
	d.list("master states", d.masterState)
	d.list("operators", d.operator)
	if d.version >= 4 {
		d.properties()
	}
}

func (d *decoder) masterState() {
	d.constant("magic number of a master state", masterMagic)
	at := d.offset
	length := d.count("length of a master state")
	begin := d.offset
	d.int32("version of a master state")
	d.text("name of a master state")
	d.blob("data of a master state")
	if d.offset-begin != length {
		d.fail(at, "length of a master state", d.offset-begin, length)
	}
}

func (d *decoder) operator() {
	if d.version >= 5 {
		d.text("operator's name")
		d.text("operator's uid")
	}
	id := hex.EncodeToString(d.next(16, "operator's id"))
	d.operators = append(d.operators, history.Operator{
		ID: id, Parallelism: d.int32("parallelism"), ParallelismMax: d.int32("maximum parallelism"),
	})
	if d.version == 2 {
		d.int32("length of the chain")
		d.list("subtasks", d.subtaskV2)
		return
	}
	coordinator := d.streamOf("coordinator state", null, byteStream)
	at := d.offset
	subtasks := d.int32("number of subtasks")
	if subtasks < 0 { // a negative number means that all subtasks of the operator are finished
		if coordinator != null {
			d.fail(at, "number of subtasks", "0 or more, for there is coordinator state", subtasks)
		}
		return
	}
	d.offset = at
	d.list("subtasks", d.subtask)
}

func (d *decoder) subtaskV2() {
	d.begin(d.int32("subtask"))
	d.skip(8, "duration")
	d.constant("legacy state", 0)
	d.state()
}

func (d *decoder) subtask() {
	index := d.int32("subtask")
	if index < 0 {
		return // a negative number means that the subtask is finished
	}
	d.begin(index)
	d.state()
	d.list("input channels", func() { d.channel(1, 3) })
	d.list("output channels", func() { d.channel(2, 4) })
}

// begin adds a subtask to the last operator.
func (d *decoder) begin(index int32) {
	operator := &d.operators[len(d.operators)-1]
	operator.Subtasks = append(operator.Subtasks, history.SubtaskState{Index: index})
}

// groups notes the key groups of the keyed state of the last subtask. Handles within that handle
// have key groups, too; the first ones that are read are those of the whole.
func (d *decoder) groups(first, number int32) {
	if len(d.operators) == 0 || !d.managed {
		return
	}
	subtasks := d.operators[len(d.operators)-1].Subtasks
	if last := &subtasks[len(subtasks)-1]; last.Groups == nil {
		last.Groups = &history.KeyGroups{First: first, Number: number}
	}
}

// state reads the state of a subtask, except the state of its channels.
func (d *decoder) state() {
	for _, what := range []string{"managed operator state", "raw operator state"} {
		if d.number(what, 0, 1) == 1 {
			d.operatorState()
		}
	}
	d.managed = true
	d.keyed() // managed keyed state
	d.managed = false
	d.keyed() // raw keyed state
}

// stream reads a stream state handle of Flink: either the state itself, or the name of the file
// that holds the state.
func (d *decoder) stream() {
	d.streamOf("stream", null, byteStream, file, keyGroupsV1, relativeFile, segment, emptySegment)
}

// streamOf reads a stream state handle of Flink. The first byte of the handle is a code for its
// kind. streamOf fails if this code is not one of the given codes.
func (d *decoder) streamOf(what string, codes ...byte) (code byte) {
	d.deeper()
	defer d.shallower()
	switch code = d.code(what, codes...); code {
	case byteStream:
		d.text("name of a byte stream")
		size := d.count("length of inline state")
		d.skip(size, "inline state")
		d.found.InlineMax = max(d.found.InlineMax, int64(size))
	case file:
		size := d.int64("file size", -1)
		d.refer(File, size, d.text("file path"))
	case relativeFile:
		path := d.text("file path")
		d.refer(Relative, d.int64("file size", -1), path)
	case segment:
		d.int64("start of a segment", 0)
		size := d.int64("size of a segment", 0)
		d.number("scope of a segment", 0, 1)
		d.refer(Segment, size, d.text("file path"))
		d.text("logical file id")
	case keyGroupsV1:
		d.keyGroups()
	}
	return code
}

func (d *decoder) operatorState() {
	code := d.code("operator state", null, operatorList, fileMergingOperator)
	if code == null {
		return
	}
	d.list("named states", func() {
		d.text("name of a state")
		d.code("mode of a state", 0, 1, 2)
		d.offsets()
	})
	if code == fileMergingOperator {
		d.text("directory of task-owned files")
		d.text("directory of shared files")
		d.code("whether a segment is empty", 0, 1)
		d.streamOf("segment", segment, emptySegment)
		return
	}
	d.stream()
}

// keyed reads a keyed state handle of Flink: the state of some key groups of one subtask.
func (d *decoder) keyed() {
	d.deeper()
	defer d.shallower()
	switch code := d.code("keyed state", null, keyGroupsV1, incrementalV1, savepointKeyGroups, changelogV1, changelogBytes,
		changelogFilesV1, incrementalV2, keyGroupsV2, changelogFilesV2, changelogV2); code {
	case keyGroupsV1, savepointKeyGroups:
		d.keyGroups()
	case keyGroupsV2:
		d.keyGroups()
		d.text("state handle id")
	case incrementalV1, incrementalV2:
		d.incremental(code)
	case changelogV1, changelogV2:
		d.changelog(code)
	case changelogBytes:
		d.changelogBytes()
	case changelogFilesV1, changelogFilesV2:
		d.changelogFiles(code)
	}
}

func (d *decoder) keyGroups() {
	first := d.int32("first key group")
	number := d.offsets()
	d.groups(first, int32(number))
	d.stream()
}

func (d *decoder) keyGroupRange() {
	first := d.int32("first key group")
	d.groups(first, d.int32("number of key groups"))
}

func (d *decoder) incremental(code byte) {
	d.skip(8, "checkpoint id")
	d.text("backend id")
	d.keyGroupRange()
	if code == incrementalV2 {
		d.int64("checkpointed size", -1)
	}
	d.stream() // the backend's own metadata
	for _, what := range []string{"shared files", "private files"} {
		d.list(what, func() {
			d.text("local path")
			d.stream()
		})
	}
	if code == incrementalV2 {
		d.text("state handle id")
	}
}

func (d *decoder) changelog(code byte) {
	d.keyGroupRange()
	d.int64("checkpointed size", -1)
	d.list("materialized states", d.keyed)
	d.list("changes", d.keyed)
	d.skip(8, "materialization id")
	if code == changelogV2 {
		d.skip(8, "checkpoint id")
	}
	d.text("state handle id")
}

func (d *decoder) changelogBytes() {
	d.keyGroupRange()
	d.skip(8+8, "sequence numbers")
	d.list("changes", func() {
		d.int32("key group")
		d.blob("change")
	})
	d.text("state handle id")
}

func (d *decoder) changelogFiles(code byte) {
	d.keyGroupRange()
	d.list("streams of changes", func() {
		d.int64("offset of a stream", 0)
		d.stream()
	})
	d.int64("size", -1)
	d.int64("checkpointed size", -1)
	d.text("state handle id")
	if code == changelogFilesV2 {
		d.text("storage identifier")
	}
}

// channel reads a handle with the state of one channel. The parameter one is the code of such a
// handle. From version 6 on, the handle may have the code in the parameter merged instead. Then the
// handle holds the state of several channels in one file.
func (d *decoder) channel(one, merged byte) {
	code := one
	if d.version >= 6 {
		code = d.code("channel state", one, merged)
	}
	d.int32("subtask of a channel")
	if code == merged {
		d.inFlight()
		d.stream()
		d.blob("channels")
		return
	}
	d.skip(4+4, "gate and channel")
	d.offsets()
	d.inFlight()
	d.stream()
}

// inFlight reads the size of the state of one or more channels.
func (d *decoder) inFlight() {
	if size := d.int64("size of channel state", -1); size > 0 && d.err == nil {
		d.found.InFlightBytes += size
	}
}

func (d *decoder) offsets() (number int) {
	number = d.count("number of offsets")
	d.skip(8*number, "offsets")
	return number
}

// refer adds a reference to a file.
func (d *decoder) refer(kind Kind, size int64, path string) {
	if d.err == nil {
		d.found.References = append(d.found.References, Reference{kind, path, size})
	}
}

// code reads one byte. It fails if the byte is not one of the given codes.
func (d *decoder) code(what string, codes ...byte) byte {
	at := d.offset
	code := d.byte(what)
	for _, c := range codes {
		if c == code {
			return code
		}
	}
	d.fail(at, what, fmt.Sprintf("one of the codes %d", codes), code)
	return code
}
