package reference

import (
	"slices"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
)

// taskManager is a registered TaskManager.
type taskManager struct {
	address  environment.Address
	slots    int
	holders  []environment.Address // the masters that use the slots: one entry for each slot in use
	lastSeen time.Duration
}

// slotRequest is the request of a master that waits for slots.
type slotRequest struct {
	master environment.Address
	slots  int // total number of slots, including those that the master has already
}

func (j *jobManager) register(address environment.Address, slots int) {
	known := slices.ContainsFunc(j.taskManagers, func(t *taskManager) bool { return t.address == address })
	if !known {
		j.taskManagers = append(j.taskManagers, &taskManager{address: address, slots: slots, lastSeen: j.env.Now()})
		j.env.Log(environment.Record{Event: protocol.EventTaskManager, Task: address.Process, Status: "registered"})
	}
	j.env.Watch(address.Process)
	j.env.Send(address, protocol.Registered{Term: j.term})
	j.grant()
}

// heard notes that a TaskManager is alive. A TaskManager that was lost learns that it must register
// again.
func (j *jobManager) heard(from environment.Address) {
	for _, t := range j.taskManagers {
		if t.address == from {
			t.lastSeen = j.env.Now()
			return
		}
	}
	j.env.Send(from, protocol.Forgotten{})
}

// heartbeats asks each TaskManager whether it is alive. A TaskManager that has been silent for too
// long counts as lost. It may stand still, or be unreachable.
func (j *jobManager) heartbeats() {
	j.lost(func(t *taskManager) bool { return j.env.Now()-t.lastSeen > protocol.HeartbeatTimeout })
	for _, t := range j.taskManagers {
		j.env.Send(t.address, protocol.Heartbeat{Term: j.term})
	}
}

// lost removes the TaskManagers for which isLost is true, and tells the masters that had slots on
// these TaskManagers.
func (j *jobManager) lost(isLost func(*taskManager) bool) {
	var alive []*taskManager
	for _, t := range j.taskManagers {
		if !isLost(t) {
			alive = append(alive, t)
			continue
		}
		j.env.Log(environment.Record{Event: protocol.EventTaskManager, Task: t.address.Process, Status: "lost"})
		for i, master := range t.holders {
			if slices.Index(t.holders, master) == i { // tells each master only once
				j.env.Send(master, protocol.TaskManagerLost{TaskManager: t.address})
			}
		}
	}
	j.taskManagers = alive
}

// request queues a master's request for slots. It ignores a master that this JobManager did not
// start, such as a master of an earlier term. The parameter `slots` is the total number of slots
// that the master needs, with those that it has already.
func (j *jobManager) request(master environment.Address, slots int) {
	known := false
	for _, job := range j.jobs { // the order of the jobs does not matter
		known = known || job.master == master
	}
	if !known {
		return
	}
	j.waiting = slices.DeleteFunc(j.waiting, func(r slotRequest) bool { return r.master == master })
	j.waiting = append(j.waiting, slotRequest{master, slots})
	j.grant()
}

// grant serves the requests for slots in turn, until there are too few slots for the next request.
func (j *jobManager) grant() {
	for len(j.waiting) > 0 {
		first := j.waiting[0]
		var free []*taskManager
		for _, t := range j.taskManagers {
			for range t.slots - len(t.holders) {
				free = append(free, t)
			}
		}
		wanted := first.slots - j.held(first.master)
		if len(free) < wanted {
			return
		}
		var given protocol.Slots
		for _, t := range free[:max(0, wanted)] {
			t.holders = append(t.holders, first.master)
			given.TaskManagers = append(given.TaskManagers, t.address)
		}
		j.env.Send(first.master, given)
		j.waiting = j.waiting[1:]
	}
}

// held returns the number of slots that a master has.
func (j *jobManager) held(master environment.Address) int {
	held := 0
	for _, t := range j.taskManagers {
		for _, holder := range t.holders {
			if holder == master {
				held++
			}
		}
	}
	return held
}

// release releases the slots of a master, and drops its request.
func (j *jobManager) release(master environment.Address) {
	for _, t := range j.taskManagers {
		t.holders = slices.DeleteFunc(t.holders, func(holder environment.Address) bool { return holder == master })
	}
	j.waiting = slices.DeleteFunc(j.waiting, func(r slotRequest) bool { return r.master == master })
	j.grant()
}
