package fields_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/suites/conformance"
	"github.com/snapback/snapback/suites/fields"
	"github.com/snapback/snapback/suites/servers"
)

func TestTheFieldsOnFlinkInOneJVM(t *testing.T) {
	installed, err := servers.Flink(t.Context(), flink.DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := flink.NewPool(flink.Minicluster{Target: installed}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	check(t, &fields.Bench{Target: pool, Dir: t.TempDir()}, 2)
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

// ofJobs is a pattern for the fields of jobs. One cluster runs the jobs of all their rows.
var ofJobs = []string{"job.", "workload.", "submit."}

// Flink as processes has the same code for jobs as Flink in one JVM, except for the faults and for the
// configuration of the cluster. Each row of these needs a cluster of its own, so a few are enough:
// the others are checked if the flag -rows asks for them. The fields of jobs are checked only if the
// environment asks for the whole catalogue, because their rows take minutes.
func TestTheFieldsOnFlinkAsProcesses(t *testing.T) {
	installed, err := servers.FlinkWith(t.Context(), flink.DefaultVersion, workload.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	lender := &fields.Lender{}
	t.Cleanup(func() {
		if err := lender.Close(); err != nil {
			t.Error(err)
		}
	})
	only := []string{"cluster.taskManagers", "Pause.Process", "Slow.SharePercent", "Cut.Of"}
	for _, name := range fields.Names() {
		if os.Getenv(conformance.WholeVariable) != "" && slices.ContainsFunc(ofJobs, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			only = append(only, name)
		}
	}
	if *pattern != "**" {
		only = nil
	}
	check(t, &fields.Bench{Target: installed, Dir: t.TempDir(), Lender: lender}, 1, only...)
}
