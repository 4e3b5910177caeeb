package architecture_test

import (
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/architecture"
)

func TestEvidenceSharesNoReaderWithTheEngine(t *testing.T) {
	for _, edge := range []struct{ from, to, why string }{
		{"/harness/evidence", "/storage", "evidence shares no code with what it looks at"},
		{"/harness/evidence", "/storage/metadata", "evidence shares no code with what it looks at"},
		{"/harness/evidence", "/storage/filesystem/place", "evidence shares no code with what it looks at"},
		{"/harness/evidence/more", "/storage/audit", "evidence shares no code with what it looks at"},
		{"/harness/evidence", "/reference", "the reference is only one more target"},
		{"/harness/oracle", "/storage/metadata", "the harness reads _metadata with harness/evidence alone"},
		{"/harness/run", "/storage/metadata/specimen", "the harness reads _metadata with harness/evidence alone"},
		{"/harness/evidence", "/storage/filesystem", ""},
		{"/harness/evidence", "/harness/history", ""},
		{"/harness/targets/reference", "/storage/metadata", ""},
		{"/suites/evidence", "/storage/metadata", ""},
	} {
		got := architecture.Violations([]architecture.Edge{{From: architecture.Module + edge.from, To: architecture.Module + edge.to}})
		if refused := len(got) == 1 && strings.Contains(got[0], edge.why); (edge.why != "" && !refused) || (edge.why == "" && len(got) > 0) {
			t.Errorf("%s imports %s: want %q, got %q", edge.from, edge.to, edge.why, got)
		}
	}
}
