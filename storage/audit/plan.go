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

// planHead is the first line of a plan: what it is, and of which root. A line for each
// thing to delete follows, for somebody to look at and shorten.
type planHead struct {
	Schema string    `json:"schema"`
	Root   string    `json:"root"`
	Made   time.Time `json:"made"`
	Policy *Policy   `json:"policy,omitempty"`
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

// readPlan reads a plan for a root.
func readPlan[Line any](from io.Reader, schema, root, what string, path func(Line) string) (head planHead, planned []Line, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.Schema != schema {
		return head, nil, fmt.Errorf("plan: want a first line with schema %s, as --plan FILE without --delete writes it", schema)
	}
	name, err := filesystem.ParseName(root)
	if err != nil {
		return head, nil, err
	}
	if filesystem.URL(name) != head.Root {
		return head, nil, fmt.Errorf("plan: it is for root %s, not for %s", head.Root, filesystem.URL(name))
	}
	for number := 2; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var line Line
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || path(line) == "" {
			return head, nil, fmt.Errorf("plan: line %d: want %s, got %q", number, what, lines.Text())
		}
		planned = append(planned, line)
	}
	return head, planned, lines.Err()
}
