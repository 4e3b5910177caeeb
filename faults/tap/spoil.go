package tap

import (
	"io"

	"github.com/snapback/snapback/faults"
)

// spoils says whether an action changes the data that are read.
func spoils(action faults.Action) bool {
	switch action.(type) {
	case faults.Truncate, faults.Flip:
		return true
	}
	return false
}

// Spoil returns a reader of the data as [faults.Truncate] or [faults.Flip] changes them. All other
// actions do not change the data.
func Spoil(action faults.Action, from io.ReadCloser) io.ReadCloser {
	switch action := action.(type) {
	case faults.Truncate:
		return spoiled{io.LimitReader(from, action.KeptBytes), from}
	case faults.Flip:
		return spoiled{&flipped{from, action.OffsetBytes}, from}
	}
	return from
}

// spoiled reads from its reader, and closes the data below.
type spoiled struct {
	io.Reader
	io.Closer
}

// flipped flips a bit of one byte.
type flipped struct {
	io.Reader
	before int64 // bytes before that byte
}

func (f *flipped) Read(data []byte) (int, error) {
	n, err := f.Reader.Read(data)
	if f.before >= 0 && f.before < int64(n) {
		data[f.before] ^= 1
	}
	f.before -= int64(n)
	return n, err
}
