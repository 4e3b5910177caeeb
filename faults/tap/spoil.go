package tap

import (
	"io"

	"github.com/snapback/snapback/faults"
)

// spoils says whether an action changes the data that a reader gets.
func spoils(action faults.Action) bool {
	switch action.(type) {
	case faults.Truncate, faults.Flip:
		return true
	}
	return false
}

// Spoil returns a reader of the same data. If the action is a [faults.Truncate] or a [faults.Flip],
// the reader changes the data accordingly. No other action changes the data.
func Spoil(action faults.Action, from io.ReadCloser) io.ReadCloser {
	switch action := action.(type) {
	case faults.Truncate:
		return spoiled{io.LimitReader(from, action.KeptBytes), from}
	case faults.Flip:
		return spoiled{&flipped{from, action.OffsetBytes}, from}
	}
	return from
}

// spoiled reads the changed data from its Reader. Close closes the reader of the unchanged data.
type spoiled struct {
	io.Reader
	io.Closer
}

// flipped is a reader that flips a bit of one byte.
type flipped struct {
	io.Reader
	before int64 // number of bytes that are still to be read before that byte
}

func (f *flipped) Read(data []byte) (int, error) {
	n, err := f.Reader.Read(data)
	if f.before >= 0 && f.before < int64(n) {
		data[f.before] ^= 1
	}
	f.before -= int64(n)
	return n, err
}
