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
	trailerSize = 5        // number of bytes after a block: the kind of compression (1 byte) and the checksum (4 bytes)
	contentsMax = 64 << 20 // largest index, in bytes; the limit holds both before and after decompression
)

// Kinds of checksums, with the numbers that the format uses. Tables with other kinds are not
// checked.
const (
	crc32c = 1
	xxh64  = 3
	xxHash = 4 // XXH3
)

// handle says where a block is in the file.
type handle struct{ offset, size uint64 }

// after returns the offset at which the next block begins if no bytes lie between the blocks.
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

// block reads one block and compares it with its checksum.
func (c *checker) block(h handle) error {
	_, err := c.read(h)
	return err
}

// contents checks a block that the checker must also read (the metaindex, the properties or an
// index). It returns the decompressed content.
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

// read reads and checks a block. The result is the block and, in the last byte, the kind of
// compression. The result is valid until the next call of read.
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

// checksum returns the checksum of a block. The last byte of b is the kind of compression.
func (c *checker) checksum(b []byte) uint32 {
	switch c.kind {
	case crc32c:
		return maskedCRC(b)
	case xxh64:
		return uint32(xxhash.Sum64(b))
	// For XXH3, RocksDB adds the last byte to the checksum in a separate step.
	default:
		last := len(b) - 1
		return uint32(xxh3.Hash(b[:last])) ^ uint32(b[last])*0x6b9083d9
	}
}

// context returns a number that depends on the offset of a block. Since version 6 of the format,
// RocksDB adds this number to the block's checksum.
func (c *checker) context(offset uint64) uint32 {
	if c.base == 0 {
		return 0
	}
	return c.base ^ (uint32(offset) + uint32(offset>>32))
}

// decompress undoes RocksDB's compression. Compressed data begins with its decompressed size,
// except with Snappy.
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

// entries calls visit for each key and value of a block. In some indexes the values have no
// recorded length; then the parameter "unmeasured" must be true. In that case visit gets the rest
// of the block, and returns the length of the value. Its argument "first" says whether the entry
// records its whole key.
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
		// The lengths of three parts: the beginning of the key that is equal to the beginning of
		// the previous key, the rest of the key, and the value.
		var lengths [3]uint64
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
