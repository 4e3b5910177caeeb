package evidence

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"

	"github.com/snapback/snapback/harness/history"
)

// depthMax limits how many handles may lie within each other. Flink nests handles three deep.
const depthMax = 16

// decoder reads a file from its beginning. It keeps the first error. After an error it reads zeros
// and adds no more references.
type decoder struct {
	data    []byte
	offset  int
	version int32
	depth   int // the number of handles that contain the current position
	found   Checkpoint

	operators []history.Operator // the operators so far
	managed   bool               // whether the current position is in the managed keyed state of a subtask
	err       error
}

// fail keeps an error, unless an earlier error exists. The parameter at is an offset in the file.
// The parameter what names the part of the file that begins there. The error says what was wanted
// there, and what was found.
func (d *decoder) fail(at int, what string, want, got any) {
	if d.err == nil {
		d.err = fmt.Errorf("%s at offset %d: want %v, got %v", what, at, want, got)
		d.found = Checkpoint{}
	}
}

// next returns the next n bytes, or nil after an error.
func (d *decoder) next(n int, what string) []byte {
	if left := len(d.data) - d.offset; d.err == nil && n > left {
		d.fail(d.offset, what, fmt.Sprintf("%d bytes", n), fmt.Sprintf("the end of the file after %d", left))
	}
	if d.err != nil {
		return nil
	}
	d.offset += n
	return d.data[d.offset-n : d.offset]
}

func (d *decoder) skip(n int, what string) { d.next(n, what) }

func (d *decoder) byte(what string) byte {
	if b := d.next(1, what); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) int32(what string) int32 {
	if b := d.next(4, what); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// int64 reads a number of 8 bytes. It fails if the number is less than the parameter least.
func (d *decoder) int64(what string, least int64) int64 {
	at := d.offset
	b := d.next(8, what)
	if b == nil {
		return 0
	}
	value := int64(binary.BigEndian.Uint64(b))
	if value < least {
		d.fail(at, what, fmt.Sprintf("%d or more", least), value)
	}
	return value
}

// number reads a number of 4 bytes. It fails if the number is outside of the given range.
func (d *decoder) number(what string, least, most int32) int32 {
	at := d.offset
	value := d.int32(what)
	if value < least || value > most {
		d.fail(at, what, fmt.Sprintf("%d to %d", least, most), value)
	}
	return value
}

// constant reads a number of 4 bytes. It fails if the number is not the wanted one.
func (d *decoder) constant(what string, want uint32) {
	at := d.offset
	value := uint32(d.int32(what))
	if value != want {
		d.fail(at, what, fmt.Sprintf("0x%08x", want), fmt.Sprintf("0x%08x", value))
	}
}

// count reads a number that says how many things follow in the file, such as the operators of a
// checkpoint. Each thing needs at least one byte, so the number must not be greater than the number
// of bytes left. After an error, count returns 0.
func (d *decoder) count(what string) int {
	at := d.offset
	n := d.int32(what)
	if left := len(d.data) - d.offset; n < 0 || int(n) > left {
		d.fail(at, what, fmt.Sprintf("0 to %d, the number of bytes left", left), n)
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// list reads a number n. Then it calls thing() n times, or until an error occurs.
func (d *decoder) list(what string, thing func()) {
	for n := d.count("number of " + what); n > 0 && d.err == nil; n-- {
		thing()
	}
}

// blob reads a length, and then skips the same number of bytes.
func (d *decoder) blob(what string) { d.skip(d.count("length of "+what), what) }

// text reads a string in Java's modified UTF-8: first the number of bytes, then UTF-16 units of one
// to three bytes each.
func (d *decoder) text(what string) string {
	at := d.offset
	length := d.next(2, what)
	if length == nil {
		return ""
	}
	encoded := d.next(int(binary.BigEndian.Uint16(length)), what)
	var units []uint16
	for i := 0; i < len(encoded); {
		unit, size := utf16Unit(encoded[i:])
		if size == 0 {
			d.fail(at, what, "modified UTF-8", fmt.Sprintf("0x%02x as byte %d", encoded[i], i))
			return ""
		}
		units, i = append(units, unit), i+size
	}
	return string(utf16.Decode(units))
}

// utf16Unit decodes the first UTF-16 unit of b. The size is the number of bytes of this unit, or 0
// if the bytes encode no unit.
func utf16Unit(b []byte) (unit uint16, size int) {
	follows := func(i int) bool { return i < len(b) && b[i]>>6 == 0b10 }
	low := func(i int) uint16 { return uint16(b[i] & 0b111111) }
	switch {
	case b[0] < 0x80:
		return uint16(b[0]), 1
	case b[0]>>5 == 0b110 && follows(1):
		return uint16(b[0]&0b11111)<<6 | low(1), 2
	case b[0]>>4 == 0b1110 && follows(1) && follows(2):
		return uint16(b[0]&0b1111)<<12 | low(1)<<6 | low(2), 3
	}
	return 0, 0
}

// deeper enters a handle that lies within another handle. It fails if the depth exceeds depthMax.
func (d *decoder) deeper() {
	d.depth++
	if d.depth > depthMax {
		d.fail(d.offset, "handle", fmt.Sprintf("at most %d within each other", depthMax), "more")
	}
}

func (d *decoder) shallower() { d.depth-- }
