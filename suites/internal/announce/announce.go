// Package announce lets a ginkgo suite print which spec runs and which spec was skipped. It prints
// only if go test is verbose, which is the case for go test -json. Command gotest reads the printed
// lines. A suite imports this package only for this effect:
//
//	import _ "github.com/snapback/snapback/suites/internal/announce"
//
// Start with [Running].
package announce

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// Each printed line begins with one of these marks. Ginkgo may print dots before a mark.
const (
	Running = "[spec runs] "
	Skipped = "[spec skipped] "
)

var _ = ReportBeforeEach(func(spec SpecReport) {
	if spec.State != types.SpecStateSkipped && spec.State != types.SpecStatePending {
		say(Running, spec.FullText())
	}
})

var _ = ReportAfterEach(func(spec SpecReport) {
	switch spec.State {
	case types.SpecStateSkipped:
		say(Skipped, spec.FullText()+": "+reason(spec))
	case types.SpecStatePending:
		say(Skipped, spec.FullText()+": pending")
	}
})

func reason(spec SpecReport) string {
	if spec.Failure.Message == "" {
		return "filtered out"
	}
	return spec.Failure.Message
}

func say(mark, text string) {
	if testing.Verbose() {
		fmt.Println(mark + strings.Join(strings.Fields(text), " "))
	}
}
