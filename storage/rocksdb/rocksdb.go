// Package rocksdb checks the checksums in the files that RocksDB wrote and Flink
// copied into a checkpoint: every block of a table ([CheckTable]) and every record of
// a MANIFEST ([CheckManifest]). A bit that was flipped in a file since then is found,
// where Flink may restore from it silently.
//
// It reads no keys and no values, and does not say whether the contents make sense. A
// file that is whole but of another checkpoint passes.
//
// Start with [CheckTable].
package rocksdb

import (
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrUnsupported is wrapped by the errors of files that were not checked, which is
// not to say that they are damaged: they are in a format that is not known here, or
// carry no checksums.
var ErrUnsupported = errors.New("not checked")

// DamageError says what is wrong with a file, and where.
type DamageError struct {
	Offset int64 // in bytes
	What   string
}

func (e *DamageError) Error() string { return fmt.Sprintf("at offset %d: %s", e.Offset, e.What) }

func damaged(offset uint64, format string, arguments ...any) error {
	return &DamageError{Offset: int64(offset), What: fmt.Sprintf(format, arguments...)}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is the CRC-32C that RocksDB stores: one of data that holds a CRC itself
// would be a weak one.
func maskedCRC(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
