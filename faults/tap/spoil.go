package tap

import (
	"io"

	"github.com/snapback/snapback/faults"
)

// Spoil returns what is read of something to which a fault is done: of [faults.Truncate]
// and [faults.Flip]; to all others nothing is.
func Spoil(fault faults.Fault, from io.ReadCloser) io.ReadCloser {
	switch fault.Action {
	case faults.Truncate:
		return spoiled{io.LimitReader(from, fault.Amount), from}
	case faults.Flip:
		return spoiled{&flipped{from, fault.Amount}, from}
	}
	return from
}

// spoiled reads from one and closes the other.
type spoiled struct {
	io.Reader
	io.Closer
}

// flipped flips a bit of the byte at an offset.
type flipped struct {
	io.Reader
	before int64 // bytes
}

func (f *flipped) Read(data []byte) (int, error) {
	n, err := f.Reader.Read(data)
	if f.before >= 0 && f.before < int64(n) {
		data[f.before] ^= 1
	}
	f.before -= int64(n)
	return n, err
}
