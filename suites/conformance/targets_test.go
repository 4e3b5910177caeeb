package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/flink/containers"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/suites/conformance"
)

// CI runs one third of the catalogue on real Flink, and the rest runs each night.
func TestEachScenarioIsInOneThirdAndEachThirdHasAllAreas(t *testing.T) {
	names := []string{"a/1", "a/2", "b/1", "a/3", "b/2", "b/3", "b/4"}
	for third, want := range []string{"a/1 b/1 b/4", "a/2 b/2", "a/3 b/3"} {
		if got := strings.Join(conformance.Third(names, third), " "); got != want {
			t.Errorf("third %d: want %s, got %s", third, want, got)
		}
	}
}

// The methods of a cluster decide which features its target has, and so which scenarios run. If a
// method were added or removed by mistake, other scenarios would run and nobody would notice. So
// the test lists the features of each target.
func TestWhatTheTargetsClaim(t *testing.T) {
	onHDFS, err := reference.ParseStorage("hdfs://127.0.0.1:8020/checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	const job = "claim modes rescale restart resume retention"
	for _, c := range []struct {
		name   string
		target target.Target
		claims string
	}{
		{"simulated", reference.Simulated{}, job + " clock ha jobmanager kill network partition pause powerloss processor remote savepoint suspend tap trigger workloads"},
		{"processes", reference.Processes{}, job + " bandwidth ha jobmanager kill network partition pause processor savepoint suspend trigger workloads"},
		{"processes on HDFS", reference.Processes{Storage: onHDFS}, job + " bandwidth ha jobmanager kill network partition pause processor remote savepoint suspend trigger workloads"},
		{"Flink as processes", flink.Target{}, job + " bandwidth filesink ha jobmanager kafka kill native network partition pause processor savepoint suspend tap trigger upgrade workloads"},
		{"Flink in containers", flink.Target{}.At(containers.Place{}), job + " jobmanager kill native partition pause processor savepoint trigger workloads"},
		{"Flink in one JVM", flink.Minicluster{}, job + " jobmanager kill native powerloss savepoint tap trigger upgrade workloads"},
		{"Flink in one JVM on S3", flink.Minicluster{Target: flink.Target{Objects: &flink.Objects{}}}, job + " jobmanager kill native savepoint tap trigger workloads"},
		{"Flink in one JVM on HDFS", flink.Minicluster{Target: flink.Target{Hadoop: &flink.Hadoop{}}}, job + " jobmanager kill native savepoint trigger workloads"},
		{"a Flink that runs", flink.Running{}, "native resume retention savepoint trigger workloads"},
	} {
		if err := target.Check(c.target); err != nil {
			t.Error(err)
		}
		var got []string
		for _, feature := range target.Features(c.target) {
			got = append(got, string(feature))
		}
		slices.Sort(got)
		want := strings.Fields(c.claims)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: want %v, got %v", c.name, want, got)
		}
	}
}
