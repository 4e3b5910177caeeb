package metadata

import (
	"bytes"
	"strings"
)

// Properties say what a checkpoint is, and when Flink discards the checkpoint. In the file, they
// are a serialized Java object.
type Properties struct {
	Name       string // name of the type, for example Checkpoint, Full Checkpoint, Savepoint or Terminate Savepoint
	Savepoint  bool
	Sharing    string // how the checkpoint shares files with other checkpoints, for example FORWARD_BACKWARD; NO_SHARING for a savepoint
	Format     string // only for a savepoint: CANONICAL or NATIVE
	PostAction string // only for a savepoint: NONE, SUSPEND or TERMINATE

	Forced    bool
	Unclaimed bool

	DiscardSubsumed  bool
	DiscardFinished  bool
	DiscardCanceled  bool
	DiscardFailed    bool
	DiscardSuspended bool
}

// Synchronous says whether the job stops with the savepoint.
func (p *Properties) Synchronous() bool { return p.Savepoint && p.PostAction != "NONE" }

// noSharing is the value of Sharing for each savepoint. The file does not record this value.
const noSharing = "NO_SHARING"

// These constants are parts of a Java object stream.
const (
	javaStream = "\xac\xed\x00\x05"
	javaNull   = "p"
	javaString = "t"
	javaEnd    = "xp" // the end of a class that has no superclass
	runtime    = "org/apache/flink/runtime/checkpoint/"
	enumBase   = "\x00\x00\x00\x00\x00\x00\x00\x00\x12\x00\x00x"
)

var (
	propertiesClass = "sr" + javaClass(runtime+"CheckpointProperties") + "\x00\x00\x00\x00\x00\x00\x00\x02" + "\x02\x00\x08" +
		javaFields('Z', "discardCancelled", "discardFailed", "discardFinished", "discardSubsumed", "discardSuspended", "forced", "unclaimed") +
		javaField("checkpointType", runtime+"SnapshotType") + javaEnd

	checkpointClass = "sr" + javaClass(runtime+"CheckpointType") + "\xd6\xde\x4f\x03\x05\xae\x1d\x3a" + "\x02\x00\x02" +
		javaField("name", "java/lang/String") + javaField("sharingFilesStrategy", runtime+"SnapshotType$SharingFilesStrategy") + javaEnd
	sharingEnum = "~r" + javaClass(runtime+"SnapshotType$SharingFilesStrategy") + enumBase + "r" + javaClass("java/lang/Enum") + enumBase + "p"

	savepointClass = "sr" + javaClass(runtime+"SavepointType") + "\xa0\x87\xd3\x08\xa4\x58\x14\xb8" + "\x02\x00\x03" +
		javaField("formatType", "org/apache/flink/core/execution/SavepointFormatType") + javaField("name", "java/lang/String") +
		javaField("postCheckpointAction", runtime+"SavepointType$PostCheckpointAction") + javaEnd
	formatEnum = "~r" + javaClass("org/apache/flink/core/execution/SavepointFormatType") + enumBase + "r" + javaClass("java/lang/Enum") + enumBase + "p"
	actionEnum = "~r" + javaClass(runtime+"SavepointType$PostCheckpointAction") + enumBase + "q\x00\x7e\x00\x09" // the last bytes refer to the class Enum by its number in the stream
)

// javaText returns a short string in the form of Java: first its length, then its bytes.
func javaText(text string) string { return string([]byte{0, byte(len(text))}) + text }

func javaClass(path string) string { return javaText(strings.ReplaceAll(path, "/", ".")) }

func javaFields(kind byte, names ...string) string {
	var all string
	for _, name := range names {
		all += string(kind) + javaText(name)
	}
	return all
}

func javaField(name, class string) string {
	return "L" + javaText(name) + javaString + javaText("L"+class+";")
}

// properties reads or writes a serialized CheckpointProperties, which may be null. The type of the
// checkpoint is an object of one of two Java classes. All other bytes are the same in every Flink
// release that writes properties.
func (c *codec) properties(p **Properties) {
	c.literal("object stream", javaStream)
	if c.isNull(*p == nil) {
		c.literal("null", javaNull)
		return
	}
	if c.reading {
		*p = &Properties{}
	}
	of := *p
	c.literal("class", propertiesClass)
	for _, flag := range []struct {
		what  string
		value *bool
	}{
		{"discardCancelled", &of.DiscardCanceled},
		{"discardFailed", &of.DiscardFailed},
		{"discardFinished", &of.DiscardFinished},
		{"discardSubsumed", &of.DiscardSubsumed},
		{"discardSuspended", &of.DiscardSuspended},
		{"forced", &of.Forced},
		{"unclaimed", &of.Unclaimed},
	} {
		c.bool(flag.what, flag.value)
	}
	if c.reading {
		of.Savepoint = bytes.HasPrefix(c.data[c.at:], []byte(savepointClass))
	}
	if !of.Savepoint {
		c.literal("class of the type", checkpointClass)
		c.javaString("name", &of.Name)
		c.literal("class of the sharing", sharingEnum)
		c.javaString("sharing", &of.Sharing)
		return
	}
	c.literal("class of the type", savepointClass)
	c.literal("class of the format", formatEnum)
	c.javaString("format", &of.Format)
	c.javaString("name", &of.Name)
	c.literal("class of the action", actionEnum)
	c.javaString("action", &of.PostAction)
	of.Sharing = noSharing
}

// isNull says whether the object in the file is null. When reading, it looks at the next byte. When
// writing, it returns its parameter.
func (c *codec) isNull(writing bool) bool {
	if c.reading {
		return bytes.HasPrefix(c.data[c.at:], []byte(javaNull))
	}
	return writing
}

func (c *codec) javaString(what string, value *string) {
	c.literal(what, javaString)
	c.text(what, value)
}
