// Package flink_test runs the conformance suite on real Apache Flink. If something that the suite
// needs is missing, the suite fails.
package flink_test

import (
	"context"
	"os"
	"path/filepath"
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

// upgrading describes an older Flink in one JVM, from which scenarios upgrade to the default one.
type upgrading struct{ flink.Minicluster }

// Describe implements [target.Target].
func (upgrading) Describe() history.Target {
	return history.Target{Name: flink.Name, Version: servers.OlderFlink, Next: flink.DefaultVersion}
}

func upgrade(ctx context.Context) (target.Target, error) {
	installed, err := servers.FlinkUpgrade(ctx, servers.OlderFlink, flink.DefaultVersion)
	return flink.Minicluster{Target: installed}, err
}

func release(version string) func(context.Context) (target.Target, error) {
	return func(ctx context.Context) (target.Target, error) {
		return servers.Flink(ctx, version)
	}
}

// shared is what several specs use, one after the other. Nothing of it exists before a spec needs it.
var shared struct {
	dir     string         // the directory for the files of the other two
	running target.Cluster // the suite treats it as if somebody else had started it
	pool    *flink.Pool    // the JVMs of the specs of a cluster in one JVM
}

var _ = AfterSuite(func() {
	if shared.running != nil {
		Expect(shared.running.Close()).To(Succeed())
	}
	if shared.pool != nil {
		Expect(shared.pool.Close()).To(Succeed())
	}
	Expect(os.RemoveAll(shared.dir)).To(Succeed())
})

// sharedDir returns a directory for the files of one of the shared things.
func sharedDir(name string) (string, error) {
	if shared.dir == "" {
		var err error
		if shared.dir, err = os.MkdirTemp("", "snapback-flink-*"); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(shared.dir, name)
	return dir, os.Mkdir(dir, 0o755)
}

func running(ctx context.Context) (target.Target, error) {
	say := func(what string) { GinkgoWriter.Println(what) }
	if shared.running == nil {
		provisioned, err := servers.Flink(ctx, flink.DefaultVersion)
		if err != nil {
			return nil, err
		}
		dir, err := sharedDir("running")
		if err != nil {
			return nil, err
		}
		shared.running, err = provisioned.Start(ctx, target.Spec{
			Cluster: scenarios.Cluster{TaskManagers: 2, Retained: 1}, Dir: dir, Observe: func(history.Event) {},
		})
		if err != nil {
			return nil, err
		}
	}
	return flink.Connect(ctx, shared.running.(interface{ URL() string }).URL(), say)
}

// pooled returns a target whose scenarios run in one JVM after the other. A scenario gets a JVM of its
// own only if it kills the JVM, or if the power is lost.
func pooled(ctx context.Context) (target.Target, error) {
	if shared.pool != nil {
		return shared.pool, nil
	}
	dir, err := sharedDir("pool")
	if err != nil {
		return nil, err
	}
	shared.pool, err = flink.NewPool(inOneJVM(ctx), dir)
	return shared.pool, err
}

// elsewhere lists scenarios that the specs of a cluster in one JVM leave out, because they have specs
// of their own.
var elsewhere = []string{"durability/power-loss-after-publish", "durability/power-loss-before-publish", "durability/power-loss-when-complete"}

var _ = func() bool {
	claimed := flink.Target{}
	inOne := conformance.Claimed(flink.Minicluster{}, "**")
	// Real processes need seconds to start. So they run what a cluster in one JVM cannot run, and the
	// kills of real processes. Kafka has a suite of its own.
	onProcesses := slices.DeleteFunc(conformance.Claimed(claimed, "**"), func(name string) bool {
		return slices.Contains(inOne, name) || strings.HasPrefix(name, "kafka/")
	})
	inOne = slices.DeleteFunc(inOne, func(name string) bool { return slices.Contains(elsewhere, name) })
	upgrades := conformance.Claimed(upgrading{}, "upgrade/**")
	if os.Getenv(conformance.WholeVariable) == "" {
		inOne, onProcesses = conformance.Third(inOne, 0), conformance.Third(onProcesses, 0)
		upgrades = conformance.Third(upgrades, 0)
	}
	onProcesses = append(onProcesses, conformance.Claimed(claimed, "recovery/kill-*", "cleanup/cancel")...)
	conformance.Specs("Flink "+flink.DefaultVersion, release(flink.DefaultVersion), onProcesses...)
	conformance.Specs("Flink "+flink.DefaultVersion+" in one JVM", pooled, inOne...)
	conformance.Specs("Flink "+servers.OlderFlink, release(servers.OlderFlink),
		conformance.Claimed(claimed, "recovery/kill-t*", "recovery/resume-*", "cleanup/cancel/retention=RETAIN_ON_CANCELLATION")...)
	conformance.Specs("Flink "+servers.OlderFlink+", then "+flink.DefaultVersion+", in one JVM", upgrade, upgrades...)
	conformance.Specs("a running Flink", running, "cleanup/cancel", "recovery/resume-*")
	return true
}()
