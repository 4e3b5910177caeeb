package filesystem

import "maps"

// Crash returns what a power loss now would leave of the machine's own file system,
// under the strict reading of POSIX: of each change of a name that was not synced
// with its directory, chance decides whether it is there, whatever became of the
// others; of a file's bytes that were not synced, none, a half or all are.
//
// choose(n) returns the choice made, 0 to n-1; [EveryCrash] makes all of them. The
// file system itself stays as it is. Objects survive as they are.
func (m *Memory) Crash(choose func(n int) int) *Memory {
	copies := map[*node]*node{} // a file may have two names
	var survive func(n *node) *node
	survive = func(n *node) *node {
		if copies[n] != nil {
			return copies[n]
		}
		if !n.directory {
			left := len(n.data)
			if unsynced := left - n.synced; unsynced > 0 {
				left = n.synced + unsynced*choose(3)/2
			}
			copies[n] = &node{data: n.data[:left:left], synced: left}
			return copies[n]
		}
		survived := newDirectory()
		copies[n] = survived
		names := maps.Clone(n.durable)
		for _, c := range n.pending {
			if choose(2) == 1 {
				c.apply(names)
			}
		}
		for _, name := range sortedNames(names) {
			survived.children[name] = survive(names[name])
			survived.durable[name] = survived.children[name]
		}
		return survived
	}
	after := &Memory{trees: maps.Clone(m.trees)}
	after.trees[""] = survive(m.trees[""])
	return after
}

// EveryCrash calls visit with each state that a power loss now may leave, until
// visit returns false. There are 2 to the power of what is pending.
func (m *Memory) EveryCrash(visit func(after *Memory) bool) {
	var choices, bounds []int
	for {
		made := 0
		after := m.Crash(func(n int) int {
			if made == len(choices) {
				choices, bounds = append(choices, 0), append(bounds, 0)
			}
			bounds[made] = n
			made++
			return choices[made-1]
		})
		if !visit(after) {
			return
		}
		choices = choices[:made]
		for made > 0 && choices[made-1] == bounds[made-1]-1 {
			made--
		}
		if made == 0 {
			return
		}
		choices, bounds = choices[:made], bounds[:made]
		choices[made-1]++
	}
}
