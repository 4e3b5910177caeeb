package oracle

import "regexp"

// particular matches what differs between the sentences of two findings with the same problem: the
// names of jobs, whatever has a number or a slash in it, and the ending of a plural.
var particular = regexp.MustCompile(`job [[:alnum:]_-]+|[[:alnum:]_.-]*[0-9/][[:alnum:]_./-]*|s\b`)

// Like says whether two findings show the same problem: they are about the same requirement, and
// their sentences differ only in numbers and names.
func (f Finding) Like(other Finding) bool {
	return f.Requirement == other.Requirement && particular.ReplaceAllString(f.Problem, "") == particular.ReplaceAllString(other.Problem, "")
}
