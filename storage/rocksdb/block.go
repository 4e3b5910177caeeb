package rocksdb

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/zeebo/xxh3"
)

const (
	trailerSize = 5        // bytes after a block: the kind of compression and the checksum
	contentsMax = 64 << 20 // limit on the bytes of an index, before and after decompression
)

// Kinds of checksums, with their numbers in the format. Other kinds are not checked.
const (
	crc32c = 1
	xxh64  = 3
	xxHash = 4 // XXH3
)

// handle says where a block is.
type handle struct{ offset, size uint64 }

// after returns the offset at which the next block begins.
func (h handle) after() uint64 { return h.offset + h.size + trailerSize }

func readHandle(b []byte) (h handle, n int, ok bool) {
	offset, i := binary.Uvarint(b)
	if i <= 0 {
		return handle{}, 0, false
	}
	size, j := binary.Uvarint(b[i:])
	// A varint with superfluous bytes means that a bit was flipped.
	if j <= 0 || (i > 1 && b[i-1] == 0) || (j > 1 && b[i+j-1] == 0) {
		return handle{}, 0, false
	}
	return handle{offset, size}, i + j, true
}

// block checks one block.
func (c *checker) block(h handle) error {
	_, err := c.read(h)
	return err
}

// contents checks a block and returns its content.
func (c *checker) contents(h handle) ([]byte, error) {
	if h.size > contentsMax {
		return nil, fmt.Errorf("%w: an index of %d bytes", ErrUnsupported, h.size)
	}
	b, err := c.read(h)
	if err != nil {
		return nil, err
	}
	compression, b := b[h.size], bytes.Clone(b[:h.size])
	return decompress(h, compression, b)
}

// read reads and checks a block. The result ends with the kind of compression. The result is valid
// until the next call.
func (c *checker) read(h handle) ([]byte, error) {
	if h.size > c.end || h.offset > c.end || h.after() > c.end {
		return nil, damaged(h.offset, "a block of %d bytes that is outside the file", h.size)
	}
	n := int(h.size) + trailerSize
	if cap(c.buffer) < n {
		c.buffer = make([]byte, n)
	}
	b := c.buffer[:n]
	if read, err := c.file.ReadAt(b, int64(h.offset)); read < n {
		return nil, err
	}
	c.blocks = append(c.blocks, h)
	stored := binary.LittleEndian.Uint32(b[n-4:])
	if c.checksum(b[:n-4])+c.context(h.offset) != stored {
		return nil, damaged(h.offset, "the checksum of a block of %d bytes does not match", h.size)
	}
	return b[:n-4], nil
}

// checksum returns the checksum of a block with its kind of compression.
func (c *checker) checksum(b []byte) uint32 {
	switch c.kind {
	case crc32c:
		return maskedCRC(b)
	case xxh64:
		return uint32(xxhash.Sum64(b))
	default: // RocksDB adds the last byte in a step of its own
		last := len(b) - 1
		return uint32(xxh3.Hash(b[:last])) ^ uint32(b[last])*0x6b9083d9
	}
}

// context returns a number that depends on the offset of a block. Since version 6, RocksDB adds it
// to the checksum.
func (c *checker) context(offset uint64) uint32 {
	if c.base == 0 {
		return 0
	}
	return c.base ^ (uint32(offset) + uint32(offset>>32))
}

// decompress undoes RocksDB's compression. Except with Snappy, the data begins with the size.
func decompress(h handle, compression byte, b []byte) ([]byte, error) {
	bad := damaged(h.offset, "a block that cannot be decompressed")
	switch compression {
	case 0:
		return b, nil
	case 1:
		if n, err := snappy.DecodedLen(b); err != nil || n > contentsMax {
			return nil, bad
		}
		return orElse(bad)(snappy.Decode(nil, b))
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > contentsMax {
		return nil, bad
	}
	b = b[n:]
	out := make([]byte, size)
	switch compression {
	case 2:
		_, err := io.ReadFull(flate.NewReader(bytes.NewReader(b)), out)
		return orElse(bad)(out, err)
	case 3:
		_, err := io.ReadFull(bzip2.NewReader(bytes.NewReader(b)), out)
		return orElse(bad)(out, err)
	case 4, 5:
		n, err := lz4.UncompressBlock(b, out)
		if err == nil && n != len(out) {
			err = io.ErrUnexpectedEOF
		}
		return orElse(bad)(out, err)
	case 7:
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(contentsMax))
		if err != nil {
			return nil, err
		}
		defer decoder.Close()
		return orElse(bad)(decoder.DecodeAll(b, out[:0]))
	}
	return nil, fmt.Errorf("%w: compression %d", ErrUnsupported, compression)
}

func orElse(bad error) func([]byte, error) ([]byte, error) {
	return func(out []byte, err error) ([]byte, error) {
		if err != nil {
			return nil, bad
		}
		return out, nil
	}
}

// entries visits the keys and values of a block. Values of an index may have no length of their
// own. If unmeasured is true, visit gets the rest of the block, and returns the length of the
// value.
func entries(b []byte, offset uint64, unmeasured bool, visit func(key, value []byte, first bool) (int, error)) error {
	bad := damaged(offset, "a block that cannot be decoded")
	if len(b) < 4 {
		return bad
	}
	restarts := uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))*4 + 4
	if restarts > uint64(len(b)) {
		return bad
	}
	b = b[:uint64(len(b))-restarts]
	var key []byte
	for len(b) > 0 {
		var lengths [3]uint64 // lengths of the part that the key shares with the last key, of the rest of the key, and of the value
		for i := range lengths {
			if i == 2 && unmeasured {
				break
			}
			length, n := binary.Uvarint(b)
			if n <= 0 {
				return bad
			}
			lengths[i], b = length, b[n:]
		}
		if lengths[0] > uint64(len(key)) || lengths[1] > uint64(len(b)) {
			return bad
		}
		key = append(key[:lengths[0]], b[:lengths[1]]...)
		b = b[lengths[1]:]
		value := b
		if !unmeasured {
			if lengths[2] > uint64(len(b)) {
				return bad
			}
			value = b[:lengths[2]]
		}
		n, err := visit(key, value, lengths[0] == 0)
		if err != nil {
			return err
		}
		if !unmeasured && n != len(value) {
			return bad
		}
		b = b[n:]
	}
	return nil
}
