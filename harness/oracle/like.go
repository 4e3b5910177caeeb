package oracle

import "strings"

// causedBy stands before each cause in the text of a Java exception.
const causedBy = "Caused by: "

// Like says whether two findings show the same problem: they are about the same requirement and
// have the same cause. The cause is the exception that came first. If the findings name none, their
// sentences may differ only in numbers, names and paths. The requirement alone is not enough: nearly
// every scenario waits in vain if enough of its steps are left out.
func (f Finding) Like(other Finding) bool {
	cause, otherCause := firstCause(f.Found), firstCause(other.Found)
	switch {
	case f.Requirement != other.Requirement:
		return false
	case cause != "" || otherCause != "":
		return cause == otherCause
	}
	return general(f.Problem) == general(other.Problem) && general(f.Expected) == general(other.Expected)
}

// firstCause returns the exception that a text of Java names as the first cause, or the empty text.
func firstCause(text string) string {
	at := strings.LastIndex(text, causedBy)
	if at < 0 {
		return ""
	}
	exception, _, _ := strings.Cut(text[at+len(causedBy):], ":")
	return exception
}

// general returns a sentence without the names of jobs, without what has a number or a slash in it,
// and without the ending of plurals.
func general(sentence string) string {
	var words []string
	ofJob := false
	for _, word := range strings.Fields(sentence) {
		if !ofJob && !strings.ContainsAny(word, "0123456789/") {
			words = append(words, strings.TrimSuffix(word, "s"))
		}
		ofJob = word == "job"
	}
	return strings.Join(words, " ")
}
