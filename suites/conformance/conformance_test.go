package conformance_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/suites/conformance"
	_ "github.com/snapback/snapback/suites/internal/announce"
)

func TestConformance(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "the reference engine, simulated")
}

var _ = func() bool {
	conformance.Specs("simulated", func(context.Context) (target.Target, error) { return reference.Simulated{}, nil },
		conformance.Claimed(reference.Simulated{}, "**")...)
	return true
}()
