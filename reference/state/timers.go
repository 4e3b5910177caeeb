package state

import (
	"cmp"
	"slices"
)

// timersName is the name of the map that holds the timers of a key. No operator may use the name.
const timersName = "timers"

// timers is the index of all timers by event time. The timers themselves are keyed state.
type timers struct{ order []timer }

type timer struct {
	time  int64
	key   int32
	group int
}

func (a timer) compare(b timer) int {
	return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.group, b.group), cmp.Compare(a.key, b.key))
}

// present is the value of every timer in the map of timers. The value has no meaning. The time of
// the timer is the key in the map.
var present = []byte{1}

// RegisterTimer registers a timer of the current key for an event time.
func (k *Keyed) RegisterTimer(time int64) {
	wanted := timer{time, k.key, k.group}
	at, found := slices.BinarySearchFunc(k.timers.order, wanted, timer.compare)
	if found {
		return
	}
	k.timers.order = slices.Insert(k.timers.order, at, wanted)
	k.Map(timersName).Put(time, present)
}

// NextTimer removes the earliest timer that is due at the watermark, and makes its key the current
// key.
func (k *Keyed) NextTimer(watermark int64) (time int64, due bool) {
	if len(k.timers.order) == 0 || k.timers.order[0].time > watermark {
		return 0, false
	}
	first := k.timers.order[0]
	k.timers.order = k.timers.order[1:]
	k.SetKey(first.key, first.group)
	k.Map(timersName).Remove(first.time)
	return first.time, true
}

// restore builds the index from the restored state.
func (t *timers) restore(k *Keyed) {
	t.order = nil
	for i, group := range k.cells {
		for at, c := range group { // the order does not matter, because the index is sorted below
			if at.name != timersName {
				continue
			}
			for member := range c.members {
				t.order = append(t.order, timer{memberNumber(member), at.key, k.first + i})
			}
		}
	}
	slices.SortFunc(t.order, timer.compare)
}
