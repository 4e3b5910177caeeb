package dataflow

import "math/bits"

// ParallelismMax is the largest parallelism of any job, and the largest number of key groups.
const ParallelismMax = 1 << 15

// KeyGroup returns the key group of a key. The parameter `groups` is the number of all key groups.
// The formula is Flink's for an Integer key, whose hash code is the key itself.
func KeyGroup(key int32, groups int) int {
	return int(murmur(uint32(key))) % groups
}

// KeyGroups returns the first and the last key group that a subtask owns. If the last is before the
// first, the subtask owns no key group.
func KeyGroups(index, parallelism, groups int) (first, last int) {
	return (index*groups + parallelism - 1) / parallelism, ((index+1)*groups - 1) / parallelism
}

// SubtaskOf returns the index of the subtask that owns a key.
func SubtaskOf(key int32, parallelism, groups int) int {
	return KeyGroup(key, groups) * parallelism / groups
}

// DefaultParallelismMax returns Flink's default for the maximum parallelism of a job.
func DefaultParallelismMax(parallelism int) int {
	wanted := parallelism + parallelism/2
	power := 1
	if wanted > 1 {
		power = 1 << bits.Len(uint(wanted-1))
	}
	return min(max(power, 128), ParallelismMax)
}

// murmur is MurmurHash3 of one 32-bit block, made non-negative, as MathUtils.murmurHash of Flink
// computes it.
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
