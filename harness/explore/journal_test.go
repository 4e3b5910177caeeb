package explore_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/scenarios/exploration"
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

// A run that is examined is noted after later runs.
func TestAJournalContinuesAfterItsLongestTime(t *testing.T) {
	dir := t.TempDir()
	j, err := explore.OpenJournal(dir, header)
	if err != nil {
		t.Fatal(err)
	}
	late, examined := explore.Entry{Seed: 9, Verdict: oracle.Pass, Elapsed: time.Hour}, explore.Entry{Seed: 7, Verdict: oracle.Pass, Elapsed: time.Minute}
	if err := errors.Join(j.Note(late), j.Note(examined), j.Close()); err != nil {
		t.Fatal(err)
	}
	j, err = explore.OpenJournal(dir, header)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }() // nothing was written
	if j.Elapsed() < time.Hour {
		t.Errorf("want at least an hour, got %s", j.Elapsed())
	}
}

func TestACaseIsSeenAgainByARepetitionOrByAnotherRun(t *testing.T) {
	for _, test := range []struct {
		rate  explore.Rate
		runs  int
		again bool
	}{
		{explore.Rate{Failed: 0, Runs: 3}, 1, false},
		{explore.Rate{Failed: 0, Runs: 3}, 2, true},
		{explore.Rate{Failed: 1, Runs: 3}, 1, true},
	} {
		saved := explore.Case{Seed: 7, Verdict: oracle.Fail, Rate: &test.rate, Scenario: exploration.Draw("explored/seed-7", exploration.Seeded(7))}
		file, err := saved.Write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var j explore.Journal
		for n := range test.runs {
			j.Entries = append(j.Entries, explore.Entry{Seed: uint64(20 - n), Verdict: oracle.Fail, Case: file, Elapsed: time.Duration(20 - n)})
		}
		found, err := j.Found()
		if err != nil || len(found) != 1 {
			t.Fatalf("want one case, got %+v, %v", found, err)
		}
		if f := found[0]; f.Again() != test.again || f.Runs != test.runs || f.First.Seed != uint64(21-test.runs) {
			t.Errorf("%s in %d runs: want again %t, got %+v", test.rate, test.runs, test.again, f)
		}
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
