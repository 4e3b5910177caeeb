package job

import "math/bits"

// keyGroup assigns a key to one of groups key groups, by Flink's formula for an
// Integer key, whose hash code is itself.
func keyGroup(key int32, groups int) int {
	return int(murmur(uint32(key))) % groups
}

// KeyGroups returns the first and the last key group that a subtask owns.
func KeyGroups(index, parallelism int) (first, last int) {
	return (index*ParallelismMax + parallelism - 1) / parallelism, ((index+1)*ParallelismMax - 1) / parallelism
}

// subtaskOf says which of the subtasks owns a key group.
func subtaskOf(group, parallelism, groups int) int {
	return group * parallelism / groups
}

// murmur is MurmurHash3 over one 32-bit block, made non-negative.
func murmur(code uint32) int32 {
	code *= 0xcc9e2d51
	code = bits.RotateLeft32(code, 15)
	code *= 0x1b873593
	code = bits.RotateLeft32(code, 13)
	code = code*5 + 0xe6546b64
	code ^= 4
	code ^= code >> 16
	code *= 0x85ebca6b
	code ^= code >> 13
	code *= 0xc2b2ae35
	code ^= code >> 16
	switch hash := int32(code); {
	case hash >= 0:
		return hash
	case hash != -1<<31:
		return -hash
	default:
		return 0
	}
}
