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

// leftBehind finds directories that are missing as a whole. For each such directory, it replaces
// the findings about single files by one finding about the directory.
func (v *verifier) leftBehind() {
	missing := map[string]map[string]int64{} // sizes of missing files; the keys are the directory and then the file's name
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

// sum replaces the findings about files in a directory by one finding about the directory.
func (v *verifier) sum(dir string, files map[string]int64) {
	one := Finding{Kind: Missing, File: filesystem.URL(dir), Found: "no such directory", State: "all state in these files"}
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
		v.note(fmt.Sprintf("%s/ is missing, with %d files: put it back; or, where all files still exist, use snapback copy to write a checkpoint that needs no other files", path.Base(dir), len(files)))
	}
}

// noRebase is a note about a checkpoint whose files were found only with the flag --rebase.
const noRebase = "files were found with --rebase, which Flink does not have: if the recorded paths no longer exist, use snapback copy --rebase to write a checkpoint that Flink can restore"

// isMoved says whether --rebase has changed the name of at least one file.
func (v *verifier) isMoved() bool {
	return slices.ContainsFunc(v.referenced, func(f *referenced) bool { return f.name != f.recorded })
}

// hint adds a note that proposes a --rebase, if a missing file was found elsewhere.
func (v *verifier) hint() {
	for _, f := range v.referenced {
		if f.found || f.relative {
			continue
		}
		if move, ok := v.moveOf(f); ok {
			v.move = &move
			instead := ""
			if f.name != f.recorded {
				instead = "in place of the given one, "
			}
			v.note(fmt.Sprintf("files are recorded below %s and found below %s: if the checkpoints were moved, or have two names, %stry --rebase %s", filesystem.URL(move.From), filesystem.URL(move.To), instead, move))
			return
		}
	}
}

// moveOf looks for a missing file near the checkpoint. First it looks for the file's name in the
// directory of the metadata. Then it looks in the five directories above that directory, one after
// the other, for the last elements of the file's path (at least two, for example shared/FILE).
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

// isThere says whether the file exists under this name and has the recorded size.
func (v *verifier) isThere(name string, f *referenced) bool {
	entry, err := v.Files.Stat(name)
	return err == nil && !entry.Directory && entry.Size >= f.atLeast && (f.size < 0 || entry.Size == f.size || f.changelog)
}

// shorten removes the last elements of the two directories of a move as long as they are equal, so
// that the move applies to more files. It never shortens a directory to the root directory.
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
