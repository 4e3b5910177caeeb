// Package flink_test runs the conformance suite on real Apache Flink. If something that the suite
// needs is missing, the suite fails.
package flink_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/suites/conformance"
	_ "github.com/snapback/snapback/suites/internal/announce"
	"github.com/snapback/snapback/suites/servers"
)

func TestFlink(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Apache Flink")
}

func release(version string) func(context.Context) (target.Target, error) {
	return func(ctx context.Context) (target.Target, error) {
		return servers.Flink(ctx, version)
	}
}

// started is a cluster that the suite treats as if somebody else had started it. Its files are in
// the directory dir.
var (
	started target.Cluster
	dir     string
)

var _ = AfterSuite(func() {
	if started != nil {
		Expect(started.Close()).To(Succeed())
		Expect(os.RemoveAll(dir)).To(Succeed())
	}
})

func running(ctx context.Context) (target.Target, error) {
	say := func(what string) { GinkgoWriter.Println(what) }
	if started == nil {
		provisioned, err := servers.Flink(ctx, flink.DefaultVersion)
		if err != nil {
			return nil, err
		}
		if dir, err = os.MkdirTemp("", "snapback-running-*"); err != nil {
			return nil, err
		}
		started, err = provisioned.Start(ctx, target.Spec{
			Cluster: scenarios.Cluster{TaskManagers: 2, Retained: 1}, Dir: dir, Observe: func(history.Event) {},
		})
		if err != nil {
			return nil, err
		}
	}
	return flink.Connect(ctx, started.(interface{ URL() string }).URL(), say)
}

// wholeVariable is the environment variable with which the suite runs the whole catalogue. Without it
// the suite runs a third of the catalogue, always the same.
const wholeVariable = "SNAPBACK_WHOLE_CATALOGUE"

// elsewhere lists scenarios that the specs of a cluster in one JVM leave out. The power losses have
// specs of their own. The jobs of the others end before their faults on a busy machine.
var elsewhere = []string{
	"durability/power-loss-after-publish", "durability/power-loss-before-publish", "durability/power-loss-when-complete",
	"durability/checkpoints", "leaks/late-barrier", "state/many-increments",
}

var _ = func() bool {
	claimed := flink.Target{}
	inOne := conformance.Claimed(flink.Minicluster{}, "**")
	// Real processes need seconds to start. So they run what a cluster in one JVM cannot run, and the
	// kills of real processes. Kafka has a suite of its own.
	onProcesses := slices.DeleteFunc(conformance.Claimed(claimed, "**"), func(name string) bool {
		return slices.Contains(inOne, name) || strings.HasPrefix(name, "kafka/")
	})
	inOne = slices.DeleteFunc(inOne, func(name string) bool { return slices.Contains(elsewhere, name) })
	if os.Getenv(wholeVariable) == "" {
		inOne, onProcesses = conformance.Third(inOne, 0), conformance.Third(onProcesses, 0)
	}
	onProcesses = append(onProcesses, conformance.Claimed(claimed, "recovery/kill-*", "cleanup/cancel")...)
	conformance.Specs("Flink "+flink.DefaultVersion, release(flink.DefaultVersion), onProcesses...)
	conformance.Specs("Flink "+flink.DefaultVersion+" in one JVM", func(ctx context.Context) (target.Target, error) { return inOneJVM(ctx), nil }, inOne...)
	conformance.Specs("Flink "+servers.OlderFlink, release(servers.OlderFlink),
		conformance.Claimed(claimed, "recovery/kill-t*", "recovery/resume-*", "cleanup/cancel/retention=RETAIN_ON_CANCELLATION")...)
	conformance.Specs("a running Flink", running, "cleanup/cancel", "recovery/resume-*")
	return true
}()
