// Package reference_test runs the conformance suite on the reference engine as real processes,
// which it kills.
package reference_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/suites/conformance"
	_ "github.com/snapback/snapback/suites/internal/announce"
)

func TestReference(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "the reference engine, as processes")
}

var binary string

var _ = BeforeSuite(func() {
	dir, err := os.MkdirTemp("", "snapback-suite-*")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	binary = filepath.Join(dir, "snapback") // the same directory also gets snapback-full, which contains the etcd
	output, err := exec.Command("go", "build", "-o", dir, "github.com/snapback/snapback/cmd/...").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(output))
})

var _ = func() bool {
	conformance.Specs("processes", func(context.Context) (target.Target, error) {
		return reference.Processes{Binary: binary}, nil
	}, conformance.Claimed(reference.Processes{}, "**")...)
	return true
}()
