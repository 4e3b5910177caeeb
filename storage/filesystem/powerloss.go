package filesystem

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"
)

// Level is how much order a file system keeps of what was not made durable.
type Level string

// The levels.
const (
	// Ordered is a journal, as of ext4 or XFS: changes of names survive in the order in
	// which they were made, and whatever is synced takes all earlier ones with it.
	Ordered Level = "ordered"
	// POSIX is all that POSIX promises: each change of a name survives or not by itself,
	// unless its directory was synced.
	POSIX Level = "posix"
)

// Levels are all levels.
func Levels() []Level { return []Level{Ordered, POSIX} }

// Model says which states a power loss may leave.
type Model struct {
	Level    Level
	TearsMax int // how many lengths of a torn write are considered, for each file; 0: all
}

// What is kept of changes that were not made durable: in memory, and apart, by a power
// loss. A kernel writes back what is older, too.
const (
	pendingMax = 256
	blockSize  = 4 << 10 // bytes; in blocks, what was written survives in any order
)

// change is one of a directory's names: a name gets a node, or loses it. A rename
// within a directory does both.
type change struct {
	directory    *node
	order        uint64 // among all changes; both halves of a rename have the same
	unlink, link string // either may be empty
	linked       *node

	unlinked, replaced *node // what had the names before
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

// Crash returns what a power loss now would leave of the machine's own file system:
//
//   - of names, what the level says. At level POSIX a rename may also leave both names;
//   - of a file's bytes that were not synced: none, all, the first of them to any byte,
//     as many zeros, any of their blocks, or (where they were written over others) the old
//     ones.
//
// choose(n) returns the choice made, 0 to n-1; 0 is always what survives least.
// [EveryCrash] makes all choices, [State] those of one state. The file system itself
// stays as it is. Objects survive as they are.
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

// clone copies a tree of which everything is durable.
func (n *node) clone() *node {
	copied := *n
	copied.children = maps.Clone(n.children)
	for name, child := range copied.children {
		copied.children[name] = child.clone()
	}
	return &copied
}

// States estimates in how many ways a power loss now may fall out, by as many samples:
// the product of the choices on a way, on average over ways at random (Knuth, 1975).
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

// ordered returns the names of those directories that lose some of the latest changes.
func (m *Memory) ordered(choose func(int) int) map[*node]map[string]*node {
	var ends []int // of the journal's atomic changes
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

// crash is one state in the making.
type crash struct {
	model  Model
	choose func(int) int
	names  map[*node]map[string]*node // at level ordered: of directories that are not as they are now
	copies map[*node]*node            // a file may have two names
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

// bytes returns what is left of a file's bytes.
func (c crash) bytes(n *node) []byte {
	old, written := n.synced, n.data[:len(n.data):len(n.data)]
	same := 0 // bytes at the beginning that are the same, written or not
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

// blocks returns a file of the size written of which each block is as written, or as it
// was.
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

// overlay returns what is below with what is above it from the beginning on.
func overlay(below, above []byte) []byte {
	over := slices.Clone(above)
	if len(below) > len(above) {
		over = append(over, below[len(above):]...)
	}
	return over
}

// State returns the choices of the state with a number, as [EveryCrash] numbers them.
func State(number uint64) func(n int) int {
	return func(n int) int {
		choice := number % uint64(n)
		number /= uint64(n)
		return int(choice)
	}
}

// EveryCrash calls visit with each state that a power loss now may leave, and its number,
// until visit returns false. There are about 2 to the power of what is pending. Different
// numbers may be the same state: see [Memory.Digest].
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

// Digest is the same for the same names and bytes.
type Digest [sha256.Size]byte

// Digest returns a digest of everything that there is.
func (m *Memory) Digest() Digest {
	hash := sha256.New()
	for _, on := range sortedNames(m.trees) {
		_, _ = fmt.Fprintf(hash, "%q", on) // cannot fail
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
