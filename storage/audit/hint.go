package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/place"
)

// leftBehind puts in place of a finding for each file one for a directory of which nothing
// is there.
func (v *verifier) leftBehind() {
	missing := map[string]map[string]int64{} // by directory: the sizes of files
	for _, f := range v.result.Findings {
		if dir := filesystem.Dir(f.name); f.name != "" && (f.Kind == Missing || f.Kind == Unreachable) {
			if missing[dir] == nil {
				missing[dir] = map[string]int64{}
			}
			missing[dir][f.name] = f.size
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(missing)) {
		_, err := v.Files.Stat(dir)
		var unknown *place.UnknownError
		if len(missing[dir]) > 1 && (errors.Is(err, fs.ErrNotExist) || errors.As(err, &unknown)) {
			v.sum(dir, missing[dir])
		}
	}
}

// sum puts one finding in place of those about a directory's files.
func (v *verifier) sum(dir string, files map[string]int64) {
	one := Finding{Kind: Missing, File: filesystem.URL(dir), Found: "no such directory", State: "what is in these files"}
	var operators []string
	v.result.Findings = slices.DeleteFunc(v.result.Findings, func(f Finding) bool {
		if filesystem.Dir(f.name) != dir || f.name == "" {
			return false
		}
		if f.Kind == Unreachable {
			one.Kind, one.Found, one.unproven = f.Kind, f.Found, f.unproven
		}
		if !slices.Contains(operators, f.Operator) {
			operators = append(operators, f.Operator)
		}
		return true
	})
	size := int64(0)
	for _, bytes := range files {
		size += bytes
	}
	slices.Sort(operators)
	one.Operator = strings.Join(operators, ", ")
	one.Expected = fmt.Sprintf("a directory with %d files of %d bytes", len(files), size)
	v.result.Findings = append(v.result.Findings, one)
	if one.Kind == Missing && v.move == nil {
		v.note(fmt.Sprintf("%s/ was not copied, or is gone, with %d files: put it where it was; or, where all of it still is, let snapback copy write a checkpoint that stands alone", path.Base(dir), len(files)))
	}
}

// noRebase is what to know of a checkpoint that was found with --rebase only.
const noRebase = "this is so with --rebase, which Flink does not have: if the recorded paths lead nowhere, let snapback copy --rebase write a checkpoint that Flink finds"

// isMoved says whether a file was looked for elsewhere than its path says.
func (v *verifier) isMoved() bool {
	return slices.ContainsFunc(v.referenced, func(f *referenced) bool { return f.name != f.recorded })
}

// hint helps where files are missing because a checkpoint was moved, or cannot be
// reached by the name that is recorded.
func (v *verifier) hint() {
	for _, f := range v.referenced {
		if f.found || f.relative {
			continue
		}
		if move, ok := v.moveOf(f); ok {
			v.move = &move
			instead := ""
			if f.name != f.recorded {
				instead = "in place of the one that was given, "
			}
			v.note(fmt.Sprintf("files are recorded below %s and found below %s: if the checkpoints were moved, or have two names, %stry --rebase %s", filesystem.URL(move.From), filesystem.URL(move.To), instead, move))
			return
		}
	}
}

// moveOf looks for a recorded file near the checkpoint: directly beside the metadata, or at
// the longest end of its path that exists below a directory above us.
func (v *verifier) moveOf(f *referenced) (Move, bool) {
	const above = 6
	parent := v.location
	for range above {
		for from := filesystem.Dir(f.recorded); ; from = filesystem.Dir(from) {
			tail, _ := filesystem.Relative(from, f.recorded)
			if (parent == v.location || strings.Contains(tail, "/")) && v.isThere(filesystem.Join(parent, tail), f) {
				return shorten(Move{From: from, To: parent}), true
			}
			if filesystem.IsRoot(from) {
				break
			}
		}
		if filesystem.IsRoot(parent) {
			break
		}
		parent = filesystem.Dir(parent)
	}
	return Move{}, false
}

// isThere says whether a file has the size that is recorded.
func (v *verifier) isThere(name string, f *referenced) bool {
	entry, err := v.Files.Stat(name)
	return err == nil && !entry.Directory && entry.Size >= f.atLeast && (f.size < 0 || entry.Size == f.size || f.changelog)
}

// shorten leaves out what both ends of a move end with, so that it serves for what lies
// beside it too. The machine's root directory is never moved.
func shorten(m Move) Move {
	for path.Base(m.From) == path.Base(m.To) {
		from, to := filesystem.Dir(m.From), filesystem.Dir(m.To)
		if from == "/" || to == "/" || from == m.From || to == m.To {
			break
		}
		m = Move{From: from, To: to}
	}
	return m
}
