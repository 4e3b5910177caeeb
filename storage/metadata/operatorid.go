package metadata

import (
	"encoding/binary"

	"github.com/spaolacci/murmur3"
)

// NewOperatorID returns the id that Flink gives to an operator with this uid.
func NewOperatorID(uid string) OperatorID {
	var id OperatorID
	first, second := murmur3.Sum128([]byte(uid))
	binary.LittleEndian.PutUint64(id[:8], first)
	binary.LittleEndian.PutUint64(id[8:], second)
	return id
}
