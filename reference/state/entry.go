package state

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// entry is a value of one key, or one member of a map of this key, as files of checkpoints hold it.
type entry struct {
	key   string // the key as entryKey returns it
	value []byte // nil if the entry was deleted
}

const entryKeyMin = 7 // the size of the smallest key of an entry, in bytes

// entryKey returns the key of an entry. It consists of the key group, the key, the name of the
// state, and the member of a map. Entries that are sorted by this key are also sorted by key group.
func entryKey(group int, key int32, name, member string) string {
	var b strings.Builder
	b.Grow(7 + len(name) + len(member))
	b.WriteByte(byte(group >> 8))
	b.WriteByte(byte(group))
	for shift := 24; shift >= 0; shift -= 8 {
		b.WriteByte(byte(uint32(key) >> shift))
	}
	b.WriteString(name)
	b.WriteByte(0)
	b.WriteString(member)
	return b.String()
}

func splitEntryKey(k string) (group int, key int32, name, member string, err error) {
	if len(k) < entryKeyMin {
		return 0, 0, "", "", fmt.Errorf("the key of an entry has %d bytes, fewer than %d", len(k), entryKeyMin)
	}
	name, member, found := strings.Cut(k[6:], "\x00")
	if !found {
		return 0, 0, "", "", errors.New("the key of an entry has no name")
	}
	return int(k[0])<<8 | int(k[1]), int32(binary.BigEndian.Uint32([]byte(k[2:6]))), name, member, nil
}

// writeTo writes an entry: the length of its key, the key, the length of its value plus one, and
// the value. If the entry was deleted, a 0 takes the place of the length and the value.
func (e entry) writeTo(out io.Writer) (int64, error) {
	head := binary.AppendUvarint(make([]byte, 0, 2*binary.MaxVarintLen64+len(e.key)), uint64(len(e.key)))
	head = append(head, e.key...)
	if e.value == nil {
		head = append(head, 0)
	} else {
		head = binary.AppendUvarint(head, uint64(len(e.value))+1)
	}
	n, err := out.Write(head)
	if err != nil || len(e.value) == 0 {
		return int64(n), err
	}
	m, err := out.Write(e.value)
	return int64(n + m), err
}

// readEntry is the inverse of writeTo. It returns io.EOF if there are no more entries. It refuses
// an entry whose key or value has more bytes than `limit`.
func readEntry(in *bufio.Reader, limit int64) (entry, error) {
	length, err := binary.ReadUvarint(in)
	if err != nil {
		return entry{}, err
	}
	key, err := readBytes(in, length, limit)
	if err != nil {
		return entry{}, err
	}
	length, err = binary.ReadUvarint(in)
	if err != nil {
		return entry{}, torn(err)
	}
	if length == 0 {
		return entry{key: string(key)}, nil
	}
	value, err := readBytes(in, length-1, limit)
	return entry{string(key), value}, err
}

func readBytes(in *bufio.Reader, length uint64, limit int64) ([]byte, error) {
	if length > uint64(limit) {
		return nil, fmt.Errorf("an entry has a part of %d bytes, in a stream of %d", length, limit)
	}
	data := make([]byte, length)
	_, err := io.ReadFull(in, data)
	return data, torn(err)
}

// torn turns io.EOF into io.ErrUnexpectedEOF. It is used where the end of the stream would cut an
// entry into two.
func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
