package filesystem

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"
)

// Level says which changes of names survive a power loss, if no sync made these changes durable.
type Level string

// The levels of power losses.
const (
	// Ordered models a file system with a journal, such as ext4 and XFS. Changes of names become
	// durable in the order in which they were made, so a power loss loses only the latest of them.
	// A sync of any file or directory makes all earlier changes of names durable.
	Ordered Level = "ordered"
	// POSIX models the minimum that POSIX promises. Until its directory is synced, each change of a
	// name survives or is lost independently of other changes.
	POSIX Level = "posix"
)

// Levels lists all levels.
func Levels() []Level { return []Level{Ordered, POSIX} }

// Model says which states a power loss may leave.
type Model struct {
	Level Level
	// For each file, the number of different lengths that are tried for a torn write. 0 means all
	// lengths.
	TearsMax int
}

// Limits of the model. A directory has at most pendingMax changes that are not durable. If one more
// change comes, the oldest change becomes durable, just as a kernel writes back old changes.
const (
	pendingMax = 256
	blockSize  = 4 << 10 // size of a block in bytes; each block of one write survives or is lost independently
)

// change is a change in one directory. It links a name to a node, or unlinks a name. A rename
// within one directory does both. A move to another directory consists of two changes.
type change struct {
	directory    *node
	order        uint64 // a growing number; both changes of one move have the same number
	unlink, link string // the name that is unlinked, and the name that is linked; one of the two may be empty
	linked       *node

	unlinked, replaced *node // the nodes that the two names had before the change; nil if there was no such name
}

func (m *Memory) change(c change) {
	c.order = m.changes
	c.unlinked, c.replaced = c.directory.children[c.unlink], c.directory.children[c.link]
	c.apply(c.directory.children)
	m.journal = append(m.journal, c)
	m.journal = m.journal[max(0, len(m.journal)-pendingMax):]
	d := c.directory
	d.pending = append(d.pending, c)
	if len(d.pending) > pendingMax {
		d.pending[0].apply(d.durable)
		d.pending = d.pending[1:]
	}
}

func (c change) apply(names map[string]*node) {
	if c.unlink != "" {
		delete(names, c.unlink)
	}
	if c.link != "" {
		names[c.link] = c.linked
	}
}

func (c change) undo(names map[string]*node) {
	if c.link != "" {
		delete(names, c.link)
		if c.replaced != nil {
			names[c.link] = c.replaced
		}
	}
	if c.unlink != "" {
		names[c.unlink] = c.unlinked
	}
}

// Crash returns what a power loss at this moment leaves of the machine's own file system. The level
// decides which names survive. At level POSIX, a rename may also leave both names. Bytes that were
// written but not synced end in one of these ways:
//
//   - no bytes survive, or all bytes survive;
//   - only the beginning of the bytes survives, up to any byte;
//   - the file has its new size, with zeros in place of the new bytes;
//   - each block survives or is lost independently;
//   - if the write both changed and extended the file, only the extension survives.
//
// Crash calls choose(n) for each choice between n possibilities. The result must be 0 to n-1; the
// result 0 keeps the fewest changes. [Memory.EveryCrash] makes all combinations of choices; [State]
// makes the choices of one state. Crash does not change m. Objects in object stores survive
// unchanged.
func (m *Memory) Crash(model Model, choose func(n int) int) *Memory {
	c := crash{model: model, choose: choose, copies: map[*node]*node{}}
	if model.Level == Ordered {
		c.names = m.ordered(choose)
	}
	after := &Memory{trees: map[string]*node{"": c.survive(m.trees[""])}}
	for on, tree := range m.trees {
		if on != "" {
			after.trees[on] = tree.clone()
		}
	}
	return after
}

// clone copies a tree of an object store, where everything is durable.
func (n *node) clone() *node {
	copied := *n
	copied.children = maps.Clone(n.children)
	for name, child := range copied.children {
		copied.children[name] = child.clone()
	}
	return &copied
}

// States estimates how many states a power loss at this moment may leave. The function "chance"
// returns a random number from 0 to n-1. For each sample it makes random choices and multiplies the
// numbers of possibilities. The result is the mean of these products (Knuth, 1975).
func (m *Memory) States(model Model, samples int, chance func(n int) int) float64 {
	sum := 0.0
	for range samples {
		ways := 1.0
		m.Crash(model, func(n int) int {
			ways *= float64(n)
			return chance(n)
		})
		sum += ways
	}
	return sum / float64(samples)
}

// ordered decides how many of the latest changes of names are lost. For each directory that loses a
// change, the result contains the names that the directory has after the loss.
func (m *Memory) ordered(choose func(int) int) map[*node]map[string]*node {
	var ends []int // the indexes in the journal after the last part of each atomic change
	for i := range m.journal {
		if i == len(m.journal)-1 || m.journal[i].order != m.journal[i+1].order {
			ends = append(ends, i+1)
		}
	}
	kept := 0
	if len(ends) > 0 {
		if choice := choose(len(ends) + 1); choice > 0 {
			kept = ends[choice-1]
		}
	}
	names := map[*node]map[string]*node{}
	for _, c := range slices.Backward(m.journal[kept:]) {
		if names[c.directory] == nil {
			names[c.directory] = maps.Clone(c.directory.children)
		}
		c.undo(names[c.directory])
	}
	return names
}

// crash builds one state after a power loss.
type crash struct {
	model  Model
	choose func(int) int
	names  map[*node]map[string]*node // at level Ordered: the surviving names, for each directory that loses changes
	copies map[*node]*node            // the copy of each node; a file with two names is copied once
}

func (c crash) survive(n *node) *node {
	if c.copies[n] != nil {
		return c.copies[n]
	}
	if !n.directory {
		data := c.bytes(n)
		c.copies[n] = &node{data: data, synced: data}
		return c.copies[n]
	}
	survived := newDirectory()
	c.copies[n] = survived
	names := c.namesOf(n)
	for _, name := range sortedNames(names) {
		survived.children[name] = c.survive(names[name])
		survived.durable[name] = survived.children[name]
	}
	return survived
}

func (c crash) namesOf(n *node) map[string]*node {
	if c.model.Level == Ordered {
		if names, changed := c.names[n]; changed {
			return names
		}
		return n.children
	}
	names := maps.Clone(n.durable)
	for _, change := range n.pending {
		choices := 2
		if change.unlink != "" && change.link != "" {
			choices = 3
		}
		switch c.choose(choices) {
		case 1:
			change.apply(names)
		case 2:
			names[change.link] = change.linked
		}
	}
	return names
}

// bytes chooses which of a file's bytes survive.
func (c crash) bytes(n *node) []byte {
	old, written := n.synced, n.data[:len(n.data):len(n.data)]
	same := 0 // the number of bytes at the beginning that did not change
	for same < min(len(old), len(written)) && old[same] == written[same] {
		same++
	}
	if same == len(old) && same == len(written) {
		return written
	}
	extended := len(written) > len(old)
	over := same < min(len(old), len(written))
	tears := len(written) - same - 1
	if c.model.TearsMax > 0 {
		tears = min(tears, c.model.TearsMax)
	}
	blocks := (len(written)-1)/blockSize - same/blockSize + 1

	forms := []func() []byte{
		func() []byte { return old },
		func() []byte { return written },
	}
	if tears > 0 {
		forms = append(forms, func() []byte {
			end := same + (c.choose(tears)+1)*(len(written)-same)/(tears+1)
			return overlay(old, written[:end])
		})
	}
	if extended {
		forms = append(forms, func() []byte { return overlay(make([]byte, len(written)), old) })
	}
	if extended && over {
		forms = append(forms, func() []byte { return overlay(written, old) })
	}
	if blocks > 1 {
		forms = append(forms, func() []byte { return c.blocks(old, written, same/blockSize*blockSize) })
	}
	return forms[c.choose(len(forms))]()
}

// blocks returns a file that has the size of the slice "written". From the offset "from" on, each
// block has either its old or its written content.
func (c crash) blocks(old, written []byte, from int) []byte {
	left := overlay(make([]byte, len(written)), old[:min(len(old), len(written))])
	for at := from; at < len(written); at += blockSize {
		if c.choose(2) == 1 {
			end := min(at+blockSize, len(written))
			copy(left[at:end], written[at:end])
		}
	}
	return left
}

// overlay returns a copy of the slice "below", whose beginning is replaced by the slice "above".
func overlay(below, above []byte) []byte {
	over := slices.Clone(above)
	if len(below) > len(above) {
		over = append(over, below[len(above):]...)
	}
	return over
}

// State returns a function that a caller can pass to [Memory.Crash]. The function makes the choices
// that lead to the state with this number. [Memory.EveryCrash] gives the numbers.
func State(number uint64) func(n int) int {
	return func(n int) int {
		choice := number % uint64(n)
		number /= uint64(n)
		return int(choice)
	}
}

// EveryCrash calls visit with each state that a power loss at this moment may leave, and with the
// number of that state. It ends when visit returns false. The number of states grows exponentially
// with the number of changes that are not durable. Two numbers may stand for equal states; compare
// the results of [Memory.Digest].
func (m *Memory) EveryCrash(model Model, visit func(number uint64, after *Memory) bool) {
	var choices, bounds []int
	for {
		made := 0
		number, unit := uint64(0), uint64(1)
		after := m.Crash(model, func(n int) int {
			if made == len(choices) {
				choices, bounds = append(choices, 0), append(bounds, 0)
			}
			bounds[made] = n
			number += unit * uint64(choices[made])
			unit *= uint64(n)
			made++
			return choices[made-1]
		})
		if !visit(number, after) {
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

// Digest identifies a state: equal names and bytes have an equal digest.
type Digest [sha256.Size]byte

// Digest returns a digest of all names and bytes.
func (m *Memory) Digest() Digest {
	hash := sha256.New()
	for _, on := range sortedNames(m.trees) {
		_, _ = fmt.Fprintf(hash, "%q", on) // writing to a hash never fails
		m.trees[on].digest(hash)
	}
	return Digest(hash.Sum(nil))
}

func (n *node) digest(to hash.Hash) {
	if !n.directory {
		to.Write(binary.AppendUvarint([]byte{'f'}, uint64(len(n.data))))
		to.Write(n.data)
		return
	}
	to.Write(binary.AppendUvarint([]byte{'d'}, uint64(len(n.children))))
	for _, name := range sortedNames(n.children) {
		to.Write(append(binary.AppendUvarint(nil, uint64(len(name))), name...))
		n.children[name].digest(to)
	}
}
