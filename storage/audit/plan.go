package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/snapback/snapback/storage/filesystem"
)

// planHead is the first line of a plan. Each other line names one thing to delete. A user may
// remove lines before the plan is carried out. The head contains the options with which the plan
// was made, so that the same options apply when the plan is carried out.
type planHead struct {
	Schema string        `json:"schema"`
	Root   string        `json:"root"`
	Made   time.Time     `json:"made"`
	Age    time.Duration `json:"age,omitempty"` // in nanoseconds
	Policy *Policy       `json:"policy,omitempty"`
	Also   []string      `json:"also,omitempty"`
	Rebase []string      `json:"rebase,omitempty"`
}

// Plan is the content of a plan file.
type Plan[Line any] struct {
	Age    time.Duration
	Policy Policy
	Also   []string
	Moved  []Move
	Lines  []Line
}

// urls returns the other roots and the moves in the form in which a plan contains them.
func (a *Auditor) urls(also []string) (roots, moves []string) {
	for _, text := range also {
		if name, err := filesystem.ParseName(text); err == nil {
			text = filesystem.URL(name)
		}
		roots = append(roots, text)
	}
	for _, m := range a.Moved {
		moves = append(moves, m.String())
	}
	return roots, moves
}

func writePlan[Line any](to io.Writer, head planHead, planned []Line) error {
	lines := json.NewEncoder(to)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(head); err != nil {
		return err
	}
	for _, line := range planned {
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// readPlan reads a plan. It fails if the plan is for another root. The parameter "what" says in
// errors what a line must be, for example an orphan. The function "path" returns the path in a
// line, which must not be empty.
func readPlan[Line any](from io.Reader, schema, root, what string, path func(Line) string) (plan Plan[Line], err error) {
	var head planHead
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.Schema != schema {
		return plan, fmt.Errorf("plan: want a first line with schema %s, as --plan FILE without --delete writes it", schema)
	}
	name, err := filesystem.ParseName(root)
	if err != nil {
		return plan, err
	}
	if filesystem.URL(name) != head.Root {
		return plan, fmt.Errorf("plan: it is for root %s, not for %s", head.Root, filesystem.URL(name))
	}
	for number := 2; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var line Line
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || path(line) == "" {
			return plan, fmt.Errorf("plan: line %d: want %s, got %q", number, what, lines.Text())
		}
		plan.Lines = append(plan.Lines, line)
	}
	plan.Age, plan.Also = head.Age, head.Also
	if head.Policy != nil {
		plan.Policy = *head.Policy
	}
	for _, text := range head.Rebase {
		move, err := ParseMove(text)
		if err != nil {
			return plan, fmt.Errorf("plan: rebase: %w", err)
		}
		plan.Moved = append(plan.Moved, move)
	}
	return plan, lines.Err()
}
