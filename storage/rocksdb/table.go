package rocksdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The footer of a table. It contains the kind of checksum, then the handles, then the version and
// the magic number. In version 6, other fields take the place of the handles.
const (
	footerSize    = 53
	footerMagic   = 0x88e241b785f4cff7
	footerHandles = 40 // number of bytes that the handles and the zeros after them occupy
	versionMax    = 6
	extendedMagic = "\x3e\x00\x7a\x00" // the second magic number, in version 6
)

// Types of indexes.
const (
	indexTwoLevels = 2
	indexFirstKeys = 3
)

// checker checks one table.
type checker struct {
	file    io.ReaderAt
	end     uint64 // offset at which the footer begins
	kind    byte   // kind of checksum
	base    uint32 // part of the number that version 6 adds to checksums; see the method context
	version uint32
	buffer  []byte
	blocks  []handle // all blocks that the checker has read

	index      handle
	properties handle
	others     []handle // blocks that do not point to other blocks
	filters    []handle // the indexes of partitioned filters, which consist of several blocks
	indexType  uint32
	// Whether the index records only the difference between the size of a block and the size of the
	// previous block.
	deltas     bool
	dataBlocks uint64
}

// CheckTable checks every block of a table. The parameter "size" is the size of the file in bytes.
// CheckTable also checks that all bytes outside the blocks and the footer are zeros.
func CheckTable(file io.ReaderAt, size int64) error {
	if size < footerSize {
		return damaged(0, "%d bytes are too few for a table", size)
	}
	c := &checker{file: file, end: uint64(size) - footerSize}
	metaindex, err := c.footer()
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return c.readMetaindex(metaindex) }, c.readProperties, c.checkOthers, c.checkData, c.checkGaps,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// footer reads the footer and returns where the metaindex is. The metaindex lists the blocks that
// contain no data, for example filters. Before version 6 it also sets the place of the index.
func (c *checker) footer() (metaindex handle, err error) {
	footer := make([]byte, footerSize)
	if n, err := c.file.ReadAt(footer, int64(c.end)); n < footerSize {
		return handle{}, err
	}
	if binary.LittleEndian.Uint64(footer[45:]) != footerMagic {
		return handle{}, damaged(c.end+45, "not the magic number of a table")
	}
	c.kind, c.version = footer[0], binary.LittleEndian.Uint32(footer[41:])
	switch {
	case c.version < 1 || c.version > versionMax:
		return handle{}, fmt.Errorf("%w: a table of version %d", ErrUnsupported, c.version)
	case c.kind != crc32c && c.kind != xxh64 && c.kind != xxHash:
		return handle{}, fmt.Errorf("%w: checksums of kind %d", ErrUnsupported, c.kind)
	}
	rest := footer[1 : 1+footerHandles]
	if c.version == versionMax {
		metaindex, rest, err = c.extendedFooter(footer, rest)
		if err != nil {
			return handle{}, err
		}
	} else {
		for _, h := range []*handle{&metaindex, &c.index} {
			read, n, ok := readHandle(rest)
			if !ok {
				return handle{}, damaged(c.end, "a footer that cannot be decoded")
			}
			*h, rest = read, rest[n:]
		}
	}
	for _, b := range rest {
		if b != 0 {
			return handle{}, damaged(c.end, "a footer that cannot be decoded")
		}
	}
	return metaindex, nil
}

// extendedFooter reads the footer of version 6, which has its own checksum.
func (c *checker) extendedFooter(footer, fields []byte) (metaindex handle, rest []byte, err error) {
	if string(fields[:4]) != extendedMagic {
		return handle{}, nil, damaged(c.end+1, "not the second magic number of a table")
	}
	stored := binary.LittleEndian.Uint32(fields[4:])
	c.base = binary.LittleEndian.Uint32(fields[8:])
	metaindex.size = uint64(binary.LittleEndian.Uint32(fields[12:]))
	if metaindex.size+trailerSize > c.end {
		return handle{}, nil, damaged(c.end, "a metaindex that is outside the file")
	}
	metaindex.offset = c.end - trailerSize - metaindex.size
	clear(fields[4:8])
	if c.checksum(footer)+c.context(c.end) != stored {
		return handle{}, nil, damaged(c.end, "the checksum of the footer does not match")
	}
	return metaindex, fields[16:], nil
}

func (c *checker) readMetaindex(metaindex handle) error {
	b, err := c.contents(metaindex)
	if err != nil {
		return err
	}
	err = entries(b, metaindex.offset, false, func(name, value []byte, _ bool) (int, error) {
		h, n, ok := readHandle(value)
		switch name := string(name); {
		case !ok:
			return 0, damaged(metaindex.offset, "a metaindex that cannot be decoded")
		case name == "rocksdb.properties":
			c.properties = h
		case name == "rocksdb.index":
			c.index = h
		case strings.HasPrefix(name, "partitionedfilter."):
			c.filters = append(c.filters, h)
		default:
			c.others = append(c.others, h)
		}
		return n, nil
	})
	if err == nil && (c.properties.size == 0 || c.index.size == 0) {
		return damaged(metaindex.offset, "no properties, or no index")
	}
	return err
}

func (c *checker) readProperties() error {
	b, err := c.contents(c.properties)
	if err != nil {
		return err
	}
	var deltas uint64
	err = entries(b, c.properties.offset, false, func(name, value []byte, _ bool) (int, error) {
		switch string(name) {
		case "rocksdb.block.based.table.index.type":
			if len(value) != 4 {
				return 0, damaged(c.properties.offset, "properties that cannot be decoded")
			}
			c.indexType = binary.LittleEndian.Uint32(value)
		case "rocksdb.index.value.is.delta.encoded":
			deltas, _ = binary.Uvarint(value)
		case "rocksdb.num.data.blocks":
			c.dataBlocks, _ = binary.Uvarint(value)
		}
		return len(value), nil
	})
	c.deltas = deltas == 1
	switch {
	case err != nil:
		return err
	case c.indexType > indexFirstKeys:
		return fmt.Errorf("%w: an index of type %d", ErrUnsupported, c.indexType)
	case deltas > 1 || (c.deltas && c.version < 4):
		return damaged(c.properties.offset, "an index that version %d does not have", c.version)
	}
	return nil
}

// checkOthers checks the blocks that are neither data nor an index of data: filters, range
// tombstones (deleted ranges of keys) and dictionaries for compression.
func (c *checker) checkOthers() error {
	for _, h := range c.others {
		if err := c.block(h); err != nil {
			return err
		}
	}
	for _, h := range c.filters {
		parts, err := c.readIndex(h, false)
		if err != nil {
			return err
		}
		for _, part := range parts {
			if err := c.block(part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) checkData() error {
	leaves := []handle{c.index}
	if c.indexType == indexTwoLevels {
		var err error
		if leaves, err = c.readIndex(c.index, false); err != nil {
			return err
		}
	}
	found := uint64(0)
	for _, leaf := range leaves {
		blocks, err := c.readIndex(leaf, c.indexType == indexFirstKeys)
		if err != nil {
			return err
		}
		for _, block := range blocks {
			if err := c.block(block); err != nil {
				return err
			}
			found++
		}
	}
	if found != c.dataBlocks {
		return damaged(c.index.offset, "an index of %d blocks, but the properties say %d", found, c.dataBlocks)
	}
	return nil
}

// readIndex returns the blocks to which an index points. The parameter "firstKeys" says whether the
// index also records the first key of each block.
func (c *checker) readIndex(h handle, firstKeys bool) ([]handle, error) {
	b, err := c.contents(h)
	if err != nil {
		return nil, err
	}
	var blocks []handle
	bad := damaged(h.offset, "an index that cannot be decoded")
	err = entries(b, h.offset, c.deltas, func(_, value []byte, first bool) (int, error) {
		var block handle
		var n int
		if c.deltas && !first {
			var difference int64
			if difference, n = binary.Varint(value); n <= 0 || len(blocks) == 0 {
				return 0, bad
			}
			last := blocks[len(blocks)-1]
			block = handle{last.after(), last.size + uint64(difference)}
		} else {
			var ok bool
			if block, n, ok = readHandle(value); !ok {
				return 0, bad
			}
		}
		if firstKeys {
			length, m := binary.Uvarint(value[n:])
			if m <= 0 || length > uint64(len(value)-n-m) {
				return 0, bad
			}
			n += m + int(length)
		}
		blocks = append(blocks, block)
		return n, nil
	})
	return blocks, err
}

// checkGaps checks that blocks do not overlap, and that all bytes between them are zeros.
func (c *checker) checkGaps() error {
	slices.SortFunc(c.blocks, func(a, b handle) int {
		if a.offset < b.offset {
			return -1
		}
		return 1
	})
	at := uint64(0)
	for _, h := range append(c.blocks, handle{offset: c.end}) {
		if h.offset < at {
			return damaged(h.offset, "blocks that overlap")
		}
		gap := io.NewSectionReader(c.file, int64(at), int64(h.offset-at))
		if err := allZeros(gap, at); err != nil {
			return err
		}
		at = h.after()
	}
	return nil
}

func allZeros(r io.Reader, offset uint64) error {
	b := make([]byte, 4<<10)
	for {
		n, err := r.Read(b)
		for _, x := range b[:n] {
			if x != 0 {
				return damaged(offset, "bytes that are in no block")
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
