package explore_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
)

var header = explore.JournalHeader{Target: history.Target{Name: "flink", Version: "2.3.0"}, First: 7, Stride: 2}

func TestAJournalContinuesAfterAKill(t *testing.T) {
	dir := t.TempDir()
	for _, seed := range []uint64{7, 9} {
		j, err := explore.OpenJournal(dir, header)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Note(explore.Entry{Seed: seed, Verdict: oracle.Pass, Elapsed: 5}), j.Close()); err != nil {
			t.Fatal(err)
		}
		// The kill came in the middle of a line.
		file, err := os.OpenFile(filepath.Join(dir, explore.JournalName), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(`{"seed":1`); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	j, err := explore.OpenJournal(dir, header)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }() // nothing was written
	if seeds := j.Seeds(); len(j.Entries) != 2 || !seeds[7] || !seeds[9] || j.Elapsed() < 5 {
		t.Errorf("got %+v after %s", j.Entries, j.Elapsed())
	}
	data, err := os.ReadFile(filepath.Join(dir, explore.JournalName))
	if err != nil || slices.Contains(strings.Split(string(data), "\n"), `{"seed":1`) {
		t.Errorf("want whole lines, got %q, %v", data, err)
	}
}

func TestAJournalOfAnotherCampaignIsRefused(t *testing.T) {
	dir := t.TempDir()
	j, err := explore.OpenJournal(dir, header)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	other := header
	other.Target.Version = "1.20.5"
	var usage *harness.UsageError
	if _, err := explore.OpenJournal(dir, other); !errors.As(err, &usage) || !strings.Contains(err.Error(), "belongs to another campaign") {
		t.Errorf("got %v", err)
	}
}
