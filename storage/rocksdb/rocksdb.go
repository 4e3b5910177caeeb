// Package rocksdb checks files that RocksDB wrote and that Flink copied into a checkpoint. It
// checks the checksum of every block of a table ([CheckTable]), and of every record of a MANIFEST
// ([CheckManifest]). So it finds flipped bits. Flink may restore from a damaged file without an
// error.
//
// The package does not interpret keys and values. So it accepts an undamaged file even if the file
// comes from another checkpoint.
//
// Start with [CheckTable].
package rocksdb

import (
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrUnsupported means that a file was not checked, because its format is unknown or because it has
// no checksums. It does not mean that the file is damaged.
var ErrUnsupported = errors.New("not checked")

// DamageError says what is wrong with a file, and where in the file.
type DamageError struct {
	Offset int64 // number of bytes from the beginning of the file
	What   string
}

func (e *DamageError) Error() string { return fmt.Sprintf("at offset %d: %s", e.Offset, e.What) }

func damaged(offset uint64, format string, arguments ...any) error {
	return &DamageError{Offset: int64(offset), What: fmt.Sprintf(format, arguments...)}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC returns a CRC-32C in the form that RocksDB stores. RocksDB changes each CRC because a
// CRC over data that itself contains CRCs would be weak.
func maskedCRC(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
