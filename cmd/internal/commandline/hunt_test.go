package commandline

import (
	"errors"
	"testing"

	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
)

func TestAFailureThatWasSeenOnceDoesNotFailACampaign(t *testing.T) {
	passed := &explore.Journal{Entries: []explore.Entry{{Seed: 1, Verdict: oracle.Pass}}}
	found := func(verdict oracle.Verdict, failedAgain int) explore.Found {
		return explore.Found{Case: explore.Case{Verdict: verdict, Rate: &explore.Rate{Failed: failedAgain, Runs: 3}}, Runs: 1}
	}
	for _, test := range []struct {
		what    string
		journal *explore.Journal
		found   []explore.Found
		want    oracle.Verdict
	}{
		{"nothing ran", &explore.Journal{}, nil, oracle.Void},
		{"a run passed", passed, nil, oracle.Pass},
		{"an error was seen once", passed, []explore.Found{found(oracle.Error, 0)}, oracle.Void},
		{"a failure was seen once", passed, []explore.Found{found(oracle.Fail, 0)}, oracle.Void},
		{"a failure was seen again", passed, []explore.Found{found(oracle.Error, 0), found(oracle.Fail, 1)}, oracle.Fail},
	} {
		got := oracle.Pass
		var verdict *verdictError
		if err := huntVerdict(test.journal, test.found); errors.As(err, &verdict) {
			got = verdict.verdict
		}
		if got != test.want {
			t.Errorf("%s: want the verdict %s, got %s", test.what, test.want, got)
		}
	}
}
