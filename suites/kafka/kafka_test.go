// Package kafka_test runs real Apache Flink between two topics of real Apache Kafka, and with its
// own sink for files, and kills one or the other. If something that the suite needs is missing, the
// suite fails.
package kafka_test

import (
	"context"
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/suites/conformance"
	_ "github.com/snapback/snapback/suites/internal/announce"
	"github.com/snapback/snapback/suites/servers"
)

func TestKafka(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Apache Flink with Apache Kafka")
}

func under(connectors string) func(context.Context) (target.Target, error) {
	return func(ctx context.Context) (target.Target, error) {
		return servers.FlinkWith(ctx, flink.DefaultVersion, connectors)
	}
}

// inCI lists the scenarios of each pull request: a kill of Flink, and a kill of Kafka.
var inCI = []string{"kafka/kill-taskmanager-during", "kafka/kill-broker-during"}

// atNight lists all scenarios in which the transactions outlive the outage.
var atNight = []string{"kafka/kill-*", "kafka/rescale*", "kafka/resume-*"}

var _ = func() bool {
	patterns, files := inCI, []string{"kafka/kill-taskmanager-after-filesink"}
	if os.Getenv(conformance.WholeVariable) != "" {
		patterns, files = conformance.Claimed(flink.Target{}, atNight...), nil
	}
	conformance.Specs("Flink "+flink.DefaultVersion+" with Kafka", under(workload.Kafka), patterns...)
	if files != nil {
		conformance.Specs("Flink "+flink.DefaultVersion+" with its sink for files", under(workload.FileSink), files...)
	}
	return true
}()
