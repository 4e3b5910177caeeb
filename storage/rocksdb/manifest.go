package rocksdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// The layout of a log. A MANIFEST is a log. A log consists of blocks, and a block consists of
// records. Each record begins with a header.
const (
	logBlock  = 32 << 10
	logHeader = 7 // size in bytes of the header: checksum, length and type
)

// Types of records in a log. If a record does not fit into a block, it is divided into several
// parts.
const (
	recordFull = 1 + iota
	recordFirst
	recordMiddle
	recordLast
)

// CheckManifest checks every record of a MANIFEST. It cannot detect that whole records are missing
// at the end; for that, compare the size of the file.
func CheckManifest(file io.Reader) error {
	block := make([]byte, logBlock)
	// The variable "open" says whether a record has begun but has not ended. The variable "records"
	// is the number of records that have ended.
	open, records := false, 0
	for begin := 0; ; begin += logBlock {
		n, err := io.ReadFull(file, block)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		left := block[:n]
		at := func() uint64 { return uint64(begin + n - len(left)) }
		for len(left) >= logHeader {
			length, kind, err := checkRecord(left, at(), open)
			if err != nil {
				return err
			}
			if open = kind == recordFirst || kind == recordMiddle; !open {
				records++
			}
			left = left[length:]
		}
		// The rest of a block may be too short for a header. Then it must consist of zeros, and it
		// must not be at the end of the file.
		if trailing := bytes.Trim(left, "\x00"); len(trailing) > 0 || (last && len(left) > 0) {
			return damaged(at(), "bytes that are not a record")
		}
		if last && (open || records == 0) {
			return damaged(at(), "the file ends within a record")
		}
		if last {
			return nil
		}
	}
}

// checkRecord checks the next record of a block. The parameter "open" says whether an earlier part
// of the same record came before this part.
func checkRecord(left []byte, at uint64, open bool) (length int, kind byte, err error) {
	length, kind = logHeader+int(binary.LittleEndian.Uint16(left[4:])), left[6]
	switch {
	case length > len(left):
		return 0, 0, damaged(at, "a record of %d bytes, but only %d bytes are left", length, len(left))
	case maskedCRC(left[6:length]) != binary.LittleEndian.Uint32(left):
		return 0, 0, damaged(at, "the checksum of a record does not match")
	case kind < recordFull || kind > recordLast || open != (kind == recordMiddle || kind == recordLast):
		return 0, 0, damaged(at, "a record of type %d must not be there", kind)
	}
	return length, kind, nil
}
