package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/snapback/snapback/harness/oracle"
)

type junitSuite struct {
	XMLName    xml.Name        `xml:"testsuite"`
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the results as a JUnit test suite. A void scenario becomes an error there,
// because programs that read JUnit count a skip as a pass.
func JUnit(w io.Writer, run Run) error {
	suite := junitSuite{
		Name: "snapback", Tests: len(run.Results), Time: fmt.Sprintf("%.3f", run.Took.Seconds()),
		Properties: []junitProperty{{"seed", fmt.Sprint(run.Seed)}, {"version", run.Version}},
	}
	for _, r := range run.Results {
		c := junitCase{
			Class: r.Target.Name + "." + r.Target.Runtime, Name: r.Scenario, Time: fmt.Sprintf("%.3f", r.Took.Seconds()),
		}
		switch r.Verdict {
		case oracle.Pass, oracle.ExpectedFailure:
		case oracle.Fail:
			var problems []string
			for _, f := range r.Findings {
				problems = append(problems, fmt.Sprintf("%s: %s\n  expected: %s\n  found: %s", f.Requirement, f.Problem, f.Expected, f.Found))
			}
			c.Failure = &junitMessage{r.Findings[0].Requirement + ": " + r.Findings[0].Problem, strings.Join(problems, "\n") + "\nreplay: " + Replay(r)}
			suite.Failures++
		case oracle.Skip:
			c.Skipped = &junitMessage{Message: r.Reason}
			suite.Skipped++
		default:
			c.Error = &junitMessage{string(r.Verdict) + ": " + r.Reason, "replay: " + Replay(r)}
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	return encoder.Encode(suite)
}
