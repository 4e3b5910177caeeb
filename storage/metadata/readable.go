package metadata

import (
	"fmt"
	"slices"
)

// release is a release of Flink as a number: 116 means 1.16.
type release int

func (r release) String() string { return fmt.Sprintf("%d.%d", r/100, r%100) }

// ReadableSince returns the first Flink release whose loader reads this metadata, for example
// "1.16". All later releases up to 2.3 read the metadata too. The result depends on the version of
// the format and on the handles. It says nothing about the serializers of the state.
func (c *Checkpoint) ReadableSince() string {
	since := versionSince(c.Version)
	for i := range c.Operators {
		since = max(since, c.Operators[i].since())
	}
	for r := range c.References() {
		since = max(since, handleSince(streamCode(r.Stream)))
	}
	return since.String()
}

func versionSince(version int32) release {
	switch version {
	case VersionMin:
		return 103
	case Version3:
		return 111
	case Version4:
		return 116
	case Version5:
		return 200
	}
	return 201
}

// handleSince returns the first release that reads a handle in the layout that this package reads.
// Flink 1.14 uses the same codes for changelog handles, but another layout.
func handleSince(code byte) release {
	switch {
	case code >= codeSegment:
		return 120
	case code >= codeChangelogFiles:
		return 116
	case code >= codeChangelogV1:
		return 115
	case code == codeKeyGroupsSavepoint:
		return 113
	case code == codeRelativeFile:
		return 111
	}
	return 103
}

// finishedSince is the first release that records finished operators and subtasks.
const finishedSince = release(114)

func (o *Operator) since() (since release) {
	if o.FullyFinished {
		return finishedSince
	}
	for i := range o.Subtasks {
		since = max(since, o.Subtasks[i].since())
	}
	return since
}

func (s *Subtask) since() release {
	if s.Finished {
		return finishedSince
	}
	return max(operatorSince(s.ManagedOperator), operatorSince(s.RawOperator), keyedSince(s.ManagedKeyed), keyedSince(s.RawKeyed),
		channelsSince(s.Inputs), channelsSince(s.Outputs))
}

func operatorSince(h OperatorHandle) release {
	switch h := h.(type) {
	case *FileMergingOperator:
		return handleSince(codeFileMergingOperator)
	case *OperatorList:
		return modesSince(h.States)
	}
	return 0
}

// modesSince returns 1.5 if a state has the mode Broadcast, because Flink 1.3 and 1.4 do not know
// this mode.
func modesSince(states []NamedState) release {
	if slices.ContainsFunc(states, func(s NamedState) bool { return s.Mode == Broadcast }) {
		return 105
	}
	return 0
}

func keyedSince(h KeyedHandle) release {
	since := handleSince(keyedCode(h))
	if changelog, ok := h.(*Changelog); ok {
		for _, inner := range slices.Concat(changelog.Materialized, changelog.Changes) {
			since = max(since, keyedSince(inner))
		}
	}
	return since
}

// channelsSince returns 1.12 if there are channels, because Flink 1.11 records channels without
// their subtask.
func channelsSince(channels []Channel) release {
	if len(channels) > 0 {
		return 112
	}
	return 0
}
