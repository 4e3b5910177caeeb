// Package flink_test runs the conformance suite on real Apache Flink. It needs a
// JDK, and python3 with venv to install Flink; what is missing fails the suite.
package flink_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/suites/conformance"
)

func TestFlink(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Apache Flink")
}

func release(version string) func(context.Context) (harness.Target, error) {
	return func(ctx context.Context) (harness.Target, error) {
		return flink.Provision(ctx, flink.Options{Version: version}, func(what string) { GinkgoWriter.Println(what) })
	}
}

var _ = func() bool {
	conformance.Specs("Flink "+flink.DefaultVersion, release(flink.DefaultVersion), "**")
	conformance.Specs("Flink 1.20.5", release("1.20.5"), "recovery/**", "cleanup/cancel", "cleanup/fail/retention=DELETE_ON_CANCELLATION")
	return true
}()
