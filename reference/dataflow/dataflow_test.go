package dataflow_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/snapback/snapback/reference/dataflow"
)

// The key groups are the same as in Flink. Flink 2.3.0 computed the wanted values for 128 key
// groups and parallelism 4.
func TestKeysGoWhereFlinkSendsThem(t *testing.T) {
	for key, want := range map[int32]struct{ group, subtask int }{
		0: {94, 2}, 1: {86, 2}, 2: {127, 3}, 42: {29, 0}, -1: {80, 2}, math.MinInt32: {108, 3}, 97: {81, 2}, 99162322: {35, 1},
	} {
		if group, subtask := dataflow.KeyGroup(key, 128), dataflow.SubtaskOf(key, 4, 128); group != want.group || subtask != want.subtask {
			t.Errorf("key %d: want %v, got group %d of subtask %d", key, want, group, subtask)
		}
	}
}

func TestKeyGroupRangesAndDefaultsAreFlinks(t *testing.T) {
	var ranges []string
	for i := range 5 {
		first, last := dataflow.KeyGroups(i, 5, 128)
		ranges = append(ranges, fmt.Sprintf("%d-%d", first, last))
	}
	if got := fmt.Sprint(ranges); got != "[0-25 26-51 52-76 77-102 103-127]" {
		t.Errorf("got %s", got)
	}
	for parallelism, want := range map[int]int{1: 128, 85: 128, 86: 256, 128: 256, 200: 512, 1000: 2048, 21846: 32768} {
		if got := dataflow.DefaultParallelismMax(parallelism); got != want {
			t.Errorf("parallelism %d: want %d, got %d", parallelism, want, got)
		}
	}
}

// Each key group has one owner, and SubtaskOf agrees with KeyGroups.
func TestEveryKeyGroupHasOneOwner(t *testing.T) {
	for parallelism := 1; parallelism <= 128; parallelism++ {
		next := 0
		for i := range parallelism {
			first, last := dataflow.KeyGroups(i, parallelism, 128)
			if first != next {
				t.Fatalf("parallelism %d: subtask %d begins at %d, not %d", parallelism, i, first, next)
			}
			next = last + 1
		}
		if next != 128 {
			t.Fatalf("parallelism %d: %d groups", parallelism, next)
		}
	}
}

func TestRecordsComeBack(t *testing.T) {
	records := []dataflow.Record{{}, {Split: 1 << 20, Index: -3, Kind: 7, Key: math.MinInt32, Time: math.MaxInt64, Value: math.MinInt64, Count: 1, Sum: -1}}
	var data []byte
	for _, r := range records {
		data = r.Append(data)
	}
	again, err := dataflow.DecodeRecords(data)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(records) {
		t.Errorf("want %v, got %v, %v", records, again, err)
	}
	if _, err := dataflow.DecodeRecords(data[:len(data)-1]); err == nil {
		t.Error("a torn record was read")
	}
}

func ExampleSubtaskOf() {
	fmt.Println(dataflow.SubtaskOf(42, 4, 128))
	// Output: 0
}
