package architecture_test

import (
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/architecture"
)

func TestBadEdgesBetweenRoomsAreRefusedByName(t *testing.T) {
	const harness = architecture.Module + "/harness"
	for _, bad := range []struct{ from, to, why string }{
		{"/history", "/oracle", "harness/history may import nothing of ours"},
		{"/oracle", "/run", "harness/oracle may import history, evidence"},
		{"/target", "/oracle", "harness/target may import history"},
		{"/run", "/explore", "harness/run may import history, evidence, target, oracle"},
		{"/run", "/internal/process", "harness/run may import"},
		{"/report", "/targets/flink", "harness/report may import"},
		{"/targets/flink/containers", "/run", "a target is driven by run"},
		{"/targets/reference", "/explore", "harness/targets may import"},
		{"", "/run", "harness/ may import nothing of ours"},
		{"/attic", "/run", "the harness has no room attic"},
	} {
		edge := architecture.Edge{From: harness + bad.from, To: harness + bad.to}
		violations := architecture.Violations([]architecture.Edge{edge})
		if len(violations) != 1 || !strings.Contains(violations[0], ": "+bad.why) {
			t.Errorf("%s: want %s, got %q", edge.From, bad.why, violations)
		}
	}
	for _, good := range []architecture.Edge{
		{From: harness + "/explore", To: harness + "/run"},
		{From: harness + "/targets/flink", To: harness},
		{From: harness + "/targets/reference", To: harness + "/run", Test: true},
		{From: architecture.Module + "/cmd/snapback", To: harness + "/explore"},
	} {
		if violations := architecture.Violations([]architecture.Edge{good}); len(violations) > 0 {
			t.Error(violations)
		}
	}
}
