package metadata

import (
	"encoding/binary"
	"fmt"
	"math"
)

// codec goes through a file in one of two directions. If reading is true, it reads data and sets
// the values that its methods are given. Otherwise it appends these values to data. After the first
// error it does nothing more.
type codec struct {
	reading     bool
	measuring   bool // true if the codec only counts bytes: it writes into data, and checks nothing
	data        []byte
	at          int // offset of the next read
	version     int32
	parallelism int32  // parallelism of the current operator
	within      []part // the parts of the file around the current offset, the outermost part first
	depth       int    // number of handles around the current handle
	fewest      []fewest
	measure     *codec                              // a codec for the same version that only counts bytes
	watch       func(list string, fewest, size int) // if not nil, it is called for each item of a list
	err         *Error
}

// fewest is the smallest number of bytes that an item of a list can have.
type fewest struct {
	list  string
	bytes int
}

// part is a part of the file. An error names the parts around the wrong bytes.
type part struct {
	what     string
	number   int // number of an item in a list, counted from 1; 0 for the list itself
	of       int
	list     bool
	operator *Operator
}

func (p part) String() string {
	text := p.what
	switch {
	case p.list && p.number == 0:
		text += "s"
	case p.list:
		text = fmt.Sprintf("%s %d of %d", p.what, p.number, p.of)
	}
	if p.operator != nil {
		text += fmt.Sprintf(" (%s)", p.operator.Label())
	}
	return text
}

func (c *codec) enter(p part) { c.within = append(c.within, p) }
func (c *codec) leave()       { c.within = c.within[:len(c.within)-1] }

// inside calls the function "steps", which reads or writes one part of the file. The parameter
// "what" names this part. If "steps" fails, the error contains the name.
func (c *codec) inside(what string, steps func()) {
	c.enter(part{what: what})
	steps()
	c.leave()
}

func (c *codec) offset() int {
	if c.reading {
		return c.at
	}
	return len(c.data)
}

// fail records an error at the offset. It ignores every error after the first.
func (c *codec) fail(offset int, what, want string, got any) {
	if c.err != nil || c.measuring {
		return
	}
	c.err = &Error{Offset: int64(offset), Want: want, Got: fmt.Sprint(got)}
	for _, p := range c.within {
		c.err.What += p.String() + ": "
	}
	c.err.What += what
}

// refuse records an error about bytes that are not damaged. The parameter "reason" is an error that
// says what the file is.
func (c *codec) refuse(reason error, offset int, what, want string, got any) {
	first := c.err == nil
	c.fail(offset, what, want, got)
	if first && c.err != nil && c.reading {
		c.err.Reason = reason
	}
}

// check calls fail if ok is false. It returns true if no error has occurred so far.
func (c *codec) check(ok bool, offset int, what, want string, got any) bool {
	if !ok {
		c.fail(offset, what, want, got)
	}
	return c.err == nil
}

// next returns a slice of n bytes: the next n bytes of data when reading, or n new bytes that the
// caller fills when writing. After an error it returns nil.
func (c *codec) next(n int, what string) []byte {
	if c.err != nil {
		return nil
	}
	if !c.reading {
		c.data = append(c.data, make([]byte, n)...)
		return c.data[len(c.data)-n:]
	}
	if left := len(c.data) - c.at; n > left {
		c.fail(c.at, what, fmt.Sprintf("%d bytes", n), fmt.Sprintf("the end of the file after %d", left))
		return nil
	}
	c.at += n
	return c.data[c.at-n : c.at : c.at]
}

func (c *codec) byte(what string, value *byte) {
	if b := c.next(1, what); b != nil {
		if c.reading {
			*value = b[0]
		} else {
			b[0] = *value
		}
	}
}

func (c *codec) int32(what string, value *int32) {
	if b := c.next(4, what); b != nil {
		if c.reading {
			*value = int32(binary.BigEndian.Uint32(b))
		} else {
			binary.BigEndian.PutUint32(b, uint32(*value))
		}
	}
}

func (c *codec) int64(what string, value *int64) {
	if b := c.next(8, what); b != nil {
		if c.reading {
			*value = int64(binary.BigEndian.Uint64(b))
		} else {
			binary.BigEndian.PutUint64(b, uint64(*value))
		}
	}
}

// natural reads or writes a number that must be 0 or more.
func (c *codec) natural(what string, value *int64) {
	offset := c.offset()
	c.int64(what, value)
	c.check(*value >= 0, offset, what, "0 or more", *value)
}

func (c *codec) natural32(what string, value *int32) {
	offset := c.offset()
	c.int32(what, value)
	c.check(*value >= 0, offset, what, "0 or more", *value)
}

// size reads or writes a number of bytes, or -1 if Flink does not know the number.
func (c *codec) size(what string, value *int64) {
	offset := c.offset()
	c.int64(what, value)
	c.check(*value >= -1, offset, what, "-1 or more", *value)
}

// bool reads or writes one byte, which is 0 or 1.
func (c *codec) bool(what string, value *bool) {
	offset, b := c.offset(), byte(0)
	if *value {
		b = 1
	}
	c.byte(what, &b)
	*value = b == 1
	c.check(b <= 1, offset, what, "0 or 1", b)
}

// constant reads or writes a number that has the same value in every file.
func (c *codec) constant(what string, want uint32) {
	offset, value := c.offset(), int32(want)
	c.int32(what, &value)
	if uint32(value) != want {
		c.fail(offset, what, hex32(want), hex32(uint32(value)))
	}
}

func hex32(value uint32) string { return fmt.Sprintf("0x%08x", value) }

// literal reads or writes bytes that are the same in every file.
func (c *codec) literal(what, want string) {
	offset := c.offset()
	b := c.next(len(want), what)
	if b == nil || !c.reading {
		copy(b, want)
		return
	}
	for i := range b {
		if b[i] != want[i] {
			c.fail(offset+i, what, fmt.Sprintf("0x%02x", want[i]), fmt.Sprintf("0x%02x", b[i]))
			return
		}
	}
}

// count reads or writes the number of the items or bytes that follow.
func (c *codec) count(what string, n *int) {
	offset, value := c.offset(), int32(*n)
	if !c.check(int64(value) == int64(*n), offset, what, "a length of 31 bits", *n) {
		return
	}
	c.int32(what, &value)
	*n = int(value)
	c.check(value >= 0, offset, what, "a length of 0 or more", value)
}

// limit fails if the rest of the file is too short for n items. The parameter "size" is the
// smallest size of an item, in bytes. So a damaged number cannot make the reader allocate much more
// memory than the file has bytes.
func (c *codec) limit(offset int, what string, n, size int) {
	if left := len(c.data) - c.at; c.err == nil && n > left/size {
		c.fail(offset, what, fmt.Sprintf("at most %d, for %d bytes are left", left/size, left), n)
	}
}

// length reads or writes the number of the bytes that follow. It fails if the rest of the file is
// shorter.
func (c *codec) length(what string, n *int) {
	offset := c.offset()
	c.count(what, n)
	if c.reading {
		c.limit(offset, what, *n, 1)
	}
}

// framed reads or writes a frame: a part of the file that has its length in bytes before it. The
// function "steps" reads or writes the part itself. When reading, the recorded length must be
// right.
func (c *codec) framed(steps func()) {
	offset, said := c.offset(), 0
	c.length("length", &said)
	begin := c.offset()
	steps()
	is := c.offset() - begin
	if c.reading {
		c.check(said == is, offset, "length", fmt.Sprint(is), said)
	} else if c.err == nil {
		binary.BigEndian.PutUint32(c.data[offset:], uint32(is))
	}
}

// blob reads or writes bytes. Their length comes before them.
func (c *codec) blob(what string, value *[]byte) {
	n := len(*value)
	c.length(what, &n)
	b := c.next(n, what)
	if c.reading {
		*value = b
	} else {
		copy(b, *value)
	}
}

// text reads or writes a string in the form that Java's writeUTF writes.
func (c *codec) text(what string, value *string) {
	offset := c.offset()
	var encoded []byte
	if !c.reading {
		encoded = encodeText(*value)
		if !c.check(len(encoded) <= textMax, offset, what, fmt.Sprintf("a text of at most %d bytes", textMax), len(encoded)) {
			return
		}
	}
	length := c.next(2, what)
	if length == nil {
		return
	}
	if !c.reading {
		binary.BigEndian.PutUint16(length, uint16(len(encoded)))
		copy(c.next(len(encoded), what), encoded)
		return
	}
	encoded = c.next(int(binary.BigEndian.Uint16(length)), what)
	decoded, err := decodeText(encoded)
	if c.check(err == nil, offset, what, "modified UTF-8", err) {
		*value = decoded
	}
}

// list reads or writes the number of items, and then each item. To check the number, it needs the
// size of the smallest possible item. The smallest item is the zero value, or the smallest of the
// values that the functions in the parameter "smallest" return.
func list[T any](c *codec, what string, items *[]T, each func(*codec, *T), smallest ...func() T) {
	n, offset, least := len(*items), c.offset(), 0
	c.enter(part{what: what, list: true})
	c.count("number", &n)
	if c.reading && n > 0 {
		least = fewestBytes(c, what, each, smallest)
		c.limit(offset, "number", n, least)
	}
	c.leave()
	for i := 0; i < n && c.err == nil; i++ {
		if c.reading {
			*items = append(*items, zero[T]()) // items are added one at a time, so that a short file needs little memory
		}
		c.enter(part{what: what, list: true, number: i + 1, of: n})
		begin := c.offset()
		each(c, &(*items)[i])
		c.leave()
		if c.watch != nil {
			c.watch(what, least, c.offset()-begin)
		}
	}
}

func zero[T any]() (value T) { return value }

// fewestBytes returns the smallest number of bytes that an item of the list can have. It writes the
// smallest values and counts their bytes.
func fewestBytes[T any](c *codec, list string, each func(*codec, *T), smallest []func() T) int {
	for _, known := range c.fewest {
		if known.list == list {
			return known.bytes
		}
	}
	if len(smallest) == 0 {
		smallest = []func() T{zero[T]}
	}
	least := math.MaxInt
	for _, value := range smallest {
		thing := value()
		least = min(least, c.measured(func(m *codec) { each(m, &thing) }))
	}
	c.fewest = append(c.fewest, fewest{list, least})
	return least
}

// measured calls the function "steps" with a codec that only counts, and returns the number of
// bytes that "steps" would write.
func (c *codec) measured(steps func(*codec)) int {
	if c.measure == nil {
		c.measure = &codec{measuring: true, version: c.version}
		c.measure.enter(part{})
	}
	c.measure.data = c.measure.data[:0]
	steps(c.measure)
	return len(c.measure.data)
}

// optional reads or writes a number that is 0 or 1. If the number is 1, optional calls the given
// function, which reads or writes what follows.
func (c *codec) optional(what string, present *bool, thing func()) {
	offset, n := c.offset(), int32(0)
	if *present {
		n = 1
	}
	c.enter(part{what: what})
	defer c.leave()
	c.int32("number", &n)
	if c.check(n == 0 || n == 1, offset, "number", "0 or 1", n) && n == 1 {
		*present = true
		thing()
	}
}
