package state

import (
	"encoding/binary"
	"maps"
	"slices"
)

// Value is a named value of each key.
type Value struct {
	keyed *Keyed
	name  string
}

// Value returns the value state with a name.
func (k *Keyed) Value(name string) Value { return Value{k, name} }

// Get returns the current key's value, or nil if there is none.
func (v Value) Get() []byte {
	if c := v.keyed.cell(v.name); c != nil {
		return c.value
	}
	return nil
}

// Set replaces the current key's value. The caller must not change its bytes any more.
func (v Value) Set(value []byte) {
	v.keyed.cellToChange(v.name).value = value
	v.keyed.changed(v.name, "", value)
}

// Clear deletes the current key's value.
func (v Value) Clear() {
	delete(v.keyed.cells[v.keyed.group-v.keyed.first], cellKey{v.keyed.key, v.name})
	v.keyed.changed(v.name, "", nil)
}

// Numbers is a value that consists of a fixed number of integers.
type Numbers struct {
	value Value
	n     int
}

// Numbers returns the state with a name that consists of n integers. At first the integers are 0.
func (k *Keyed) Numbers(name string, n int) Numbers { return Numbers{k.Value(name), n} }

// Get returns the current key's integers.
func (s Numbers) Get() []int64 { return DecodeNumbers(s.value.Get(), s.n) }

// Set replaces the current key's integers.
func (s Numbers) Set(numbers ...int64) { s.value.Set(EncodeNumbers(numbers...)) }

// EncodeNumbers encodes integers as a value.
func EncodeNumbers(numbers ...int64) []byte {
	data := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		data = binary.AppendVarint(data, n)
	}
	return data
}

// DecodeNumbers is the inverse of [EncodeNumbers] for n integers. Without data, the integers are 0.
func DecodeNumbers(data []byte, n int) []int64 {
	numbers := make([]int64, n)
	for i := range numbers {
		var size int
		if numbers[i], size = binary.Varint(data); size <= 0 {
			break // the data have ended; the other numbers stay 0
		}
		data = data[size:]
	}
	return numbers
}

// Reducing is state that holds one number for each key. Its method Add folds another number into
// this number.
type Reducing struct {
	numbers Numbers
	fold    func(a, b int64) int64
}

// Reducing returns the reducing state with a name.
func (k *Keyed) Reducing(name string, fold func(a, b int64) int64) Reducing {
	return Reducing{k.Numbers(name, 1), fold}
}

// Get returns the current key's number, or 0 if there is none.
func (r Reducing) Get() int64 { return r.numbers.Get()[0] }

// Add folds n into the current key's number, and returns the result.
func (r Reducing) Add(n int64) int64 {
	if r.numbers.value.Get() != nil {
		n = r.fold(r.numbers.Get()[0], n)
	}
	r.numbers.Set(n)
	return n
}

// KeyedList is a named list of each key.
type KeyedList struct{ value Value }

// List returns the list state with a name.
func (k *Keyed) List(name string) KeyedList { return KeyedList{k.Value(name)} }

// Add appends an element to the current key's list.
func (l KeyedList) Add(element []byte) {
	data := slices.Clone(l.value.Get()) // a snapshot may refer to the old bytes
	data = binary.AppendUvarint(data, uint64(len(element)))
	l.value.Set(append(data, element...))
}

// All returns the elements of the current key's list.
func (l KeyedList) All() [][]byte {
	var elements [][]byte
	for data := l.value.Get(); len(data) > 0; {
		length, size := binary.Uvarint(data)
		data = data[size:]
		elements = append(elements, data[:length])
		data = data[length:]
	}
	return elements
}

// Clear empties the current key's list.
func (l KeyedList) Clear() { l.value.Clear() }

// Map is a named map of each key. It maps numbers to bytes.
type Map struct {
	keyed *Keyed
	name  string
}

// Map returns the map state with a name.
func (k *Keyed) Map(name string) Map { return Map{k, name} }

// memberKey encodes a number so that the order of the keys is the order of the numbers.
func memberKey(n int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(n)^1<<63))
}

func memberNumber(member string) int64 {
	return int64(binary.BigEndian.Uint64([]byte(member)) ^ 1<<63)
}

// Get returns a member of the current key's map, or nil if there is none.
func (m Map) Get(n int64) []byte {
	if c := m.keyed.cell(m.name); c != nil {
		return c.members[memberKey(n)]
	}
	return nil
}

// Put sets a member of the current key's map.
func (m Map) Put(n int64, value []byte) {
	c := m.keyed.cellToChange(m.name)
	if c.members == nil {
		c.members = map[string][]byte{}
	}
	member := memberKey(n)
	c.members[member] = value
	m.keyed.changed(m.name, member, value)
}

// Remove deletes a member of the current key's map.
func (m Map) Remove(n int64) {
	c := m.keyed.cell(m.name)
	if c == nil {
		return
	}
	member := memberKey(n)
	delete(c.members, member)
	if len(c.members) == 0 {
		delete(m.keyed.cells[m.keyed.group-m.keyed.first], cellKey{m.keyed.key, m.name})
	}
	m.keyed.changed(m.name, member, nil)
}

// Keys returns the keys of the current key's map, in order.
func (m Map) Keys() []int64 {
	c := m.keyed.cell(m.name)
	if c == nil {
		return nil
	}
	var keys []int64
	for _, member := range slices.Sorted(maps.Keys(c.members)) {
		keys = append(keys, memberNumber(member))
	}
	return keys
}
