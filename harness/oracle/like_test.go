package oracle_test

import (
	"testing"

	"github.com/snapback/snapback/harness/oracle"
)

func TestFindingsAreLike(t *testing.T) {
	for _, c := range []struct {
		one, other string
		like       bool
	}{
		{"the output of job first has 12 missing records", "the output of job second-1 has 1 missing record", true},
		{"the output of job first has 12 missing records", "the output of job first has 12 doubled records", false},
		{"chk-3 is gone", "chk-12 is gone", true},
		{"chk-3 is gone", "chk-3 was changed", false},
		{"storage holds 1 file that no checkpoint refers to", "storage holds 20 files that no checkpoint refers to", true},
		{"storage holds 1 file that no checkpoint refers to", "storage holds 1 file that no checkpoint refers to, while the job runs", false},
	} {
		one, other := oracle.Finding{Requirement: "SHR-02", Problem: c.one}, oracle.Finding{Requirement: "SHR-02", Problem: c.other}
		if one.Like(other) != c.like {
			t.Errorf("%q and %q: want %v", c.one, c.other, c.like)
		}
		if other.Requirement = "SHR-01"; one.Like(other) {
			t.Errorf("%q: findings about different requirements are not alike", c.one)
		}
	}
}
