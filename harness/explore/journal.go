package explore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
)

// JournalSchema names the format of a journal.
const JournalSchema = "snapback/journal/1"

// JournalName is the name of the journal in the directory of a campaign.
const JournalName = "journal.jsonl"

// Journal is the file in which a campaign notes each run that is done. A campaign that was
// interrupted, even by SIGKILL, continues with the seeds that its journal does not have. Each line
// is one JSON object. The first line is the header.
type Journal struct {
	Header  JournalHeader
	Entries []Entry // in the order in which the runs were done
	file    *os.File
	began   time.Time
}

// JournalHeader says what a campaign runs. A campaign can only be continued with the same header.
type JournalHeader struct {
	Schema string         `json:"schema"`
	Target history.Target `json:"target"`
	First  uint64         `json:"first"`
	Stride uint64         `json:"stride"`
	Only   []string       `json:"only,omitempty"` // the restrictions of the scenarios
}

// Entry is the note about one run.
type Entry struct {
	Seed       uint64         `json:"seed"`
	Verdict    oracle.Verdict `json:"verdict"`
	Reason     string         `json:"reason,omitempty"`
	Took       time.Duration  `json:"took_ns"`
	Elapsed    time.Duration  `json:"elapsed_ns"` // time that the campaign had run when this run was done, without interruptions
	Recoveries int            `json:"recoveries,omitempty"`
	Resumes    int            `json:"resumes,omitempty"` // jobs that resumed from a checkpoint or savepoint
	Case       string         `json:"case,omitempty"`    // name of the file with the case that the run shows
	Dir        string         `json:"dir,omitempty"`     // directory with the files of the run, if the run was the first to show its case
	Known      string         `json:"known,omitempty"`   // link to the description of an expected failure
}

// OpenJournal opens the journal in a directory. If there is none, it begins one with the given
// header. If the last line is not whole, because the campaign was killed, it is removed.
func OpenJournal(dir string, header JournalHeader) (*Journal, error) {
	header.Schema = JournalSchema
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, harness.Usagef("campaign: %w", err)
	}
	j := &Journal{Header: header, began: time.Now()}
	var err error
	if j.file, err = os.OpenFile(filepath.Join(dir, JournalName), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644); err != nil {
		return nil, harness.Usagef("campaign: %w", err)
	}
	data, err := os.ReadFile(j.file.Name())
	if err != nil {
		return nil, err
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	if len(whole) == 0 {
		return j, j.write(header)
	}
	return j, j.read(whole)
}

// read reads the lines of an earlier part of the campaign.
func (j *Journal) read(lines []byte) error {
	var earlier JournalHeader
	first, rest, _ := bytes.Cut(lines, []byte("\n"))
	if err := json.Unmarshal(first, &earlier); err != nil || !reflect.DeepEqual(earlier, j.Header) {
		return harness.Usagef("campaign: %s belongs to another campaign: want the line\n%s\ngot\n%s\nname another directory, or give the same flags", j.file.Name(), text(j.Header), first)
	}
	var elapsed time.Duration
	for line := range bytes.Lines(rest) {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("campaign: %s: want a line about one run, got %q: %w", j.file.Name(), line, err)
		}
		j.Entries = append(j.Entries, e)
		elapsed = max(elapsed, e.Elapsed) // a run that was examined is noted after later runs
	}
	j.began = time.Now().Add(-elapsed)
	return j.file.Truncate(int64(len(lines)))
}

// Elapsed returns for how long the campaign has run, without interruptions.
func (j *Journal) Elapsed() time.Duration { return time.Since(j.began) }

// Note adds a note about a run.
func (j *Journal) Note(e Entry) error {
	j.Entries = append(j.Entries, e)
	return j.write(e)
}

func (j *Journal) write(value any) error {
	_, err := fmt.Fprintln(j.file, text(value))
	return err
}

// Seeds returns the seeds whose runs are done.
func (j *Journal) Seeds() map[uint64]bool {
	seeds := map[uint64]bool{}
	for _, e := range j.Entries {
		seeds[e.Seed] = true
	}
	return seeds
}

// Found is a case that a campaign found.
type Found struct {
	Case  Case
	File  string // name of the file with the case
	First Entry  // the run that showed the case first
	Runs  int    // number of runs that showed the case, without the runs that repeated it
}

// Again says whether a case was seen more than once: in another run of the campaign, or when it was
// repeated. If not, it may be a mistake of the harness, or of the machine.
func (f Found) Again() bool {
	return f.Runs > 1 || (f.Case.Rate != nil && f.Case.Rate.Failed > 0)
}

// Found returns the cases of the campaign, in the order in which they were found.
func (j *Journal) Found() (all []Found, err error) {
	for _, e := range j.Entries {
		if e.Case == "" {
			continue
		}
		at := slices.IndexFunc(all, func(f Found) bool { return f.File == e.Case })
		if at < 0 {
			c, err := ReadCase(e.Case)
			if err != nil {
				return nil, err
			}
			at, all = len(all), append(all, Found{Case: c, File: e.Case, First: e})
		}
		if all[at].Runs++; e.Elapsed < all[at].First.Elapsed {
			all[at].First = e
		}
	}
	return all, nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }
