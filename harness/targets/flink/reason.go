package flink

import (
	"regexp"
	"strings"
)

// These patterns match the lines after which a JobManager logs a Java stack trace that says why a
// job fails or restarts.
var (
	failsLine = regexp.MustCompile(`switched from (?:state )?\w+ to (?:FAILED|FAILING)|Trying to recover from a global failure|Failed to (?:initialize|submit) job`)
	entryLine = regexp.MustCompile(`^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{3} `)
)

// reason collects from a log why a job fails or restarts.
type reason struct {
	collecting bool     // whether the lines belong to a stack trace
	trace      []string // lines of the newest stack trace, without the frames
}

// read reads a line of the log.
func (r *reason) read(line string) {
	if entryLine.MatchString(line) {
		if r.collecting = failsLine.MatchString(line); r.collecting {
			r.trace = nil
		}
		return
	}
	if r.collecting && line != "" && !strings.HasPrefix(line, "\tat ") && !strings.HasPrefix(line, "\t... ") {
		r.trace = append(r.trace, line)
	}
}

// text returns in one line why the job failed or restarted last. It returns nothing if the log does
// not say why.
func (r *reason) text() string {
	if len(r.trace) == 0 {
		return ""
	}
	why := r.trace[:1]
	for _, line := range r.trace[1:] {
		if strings.HasPrefix(line, "Caused by: ") {
			why = append(why, line)
		}
	}
	return strings.Join(why, "; ")
}
