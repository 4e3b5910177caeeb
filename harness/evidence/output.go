package evidence

import (
	"bytes"
	"strings"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/storage/filesystem"
)

// outputMax is the greatest size of an output file, in bytes.
const outputMax = 64 << 20

// Output is a file that a job committed.
type Output struct {
	Path  string // relative to the directory of the output
	Lines []string
}

// Outputs reads the files that a job committed to a directory. The name of a file that is not yet
// committed begins with a dot.
func Outputs(files filesystem.FileSystem, directory string) (outputs []Output, err error) {
	err = filesystem.Walk(files, directory, func(name string, _ filesystem.Entry) error {
		if strings.HasPrefix(name, ".") {
			return nil
		}
		data, err := filesystem.ReadFile(files, filesystem.Join(directory, name), outputMax)
		if err != nil {
			return err
		}
		outputs = append(outputs, Output{Path: name, Lines: lines(data)})
		return nil
	})
	return outputs, err
}

// lines splits a file into its lines. If the last line has no line feed, it is torn, and the oracle
// will report it.
func lines(data []byte) (lines []string) {
	for line := range bytes.Lines(data) {
		lines = append(lines, string(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return lines
}

// Sizes lists the files and directories below a directory, with the sizes of the files but without
// their digests.
func Sizes(files filesystem.FileSystem, directory string) (entries []history.Entry, err error) {
	err = filesystem.Walk(files, directory, func(name string, e filesystem.Entry) error {
		entries = append(entries, history.Entry{Path: name, Directory: e.Directory, Size: e.Size})
		return nil
	})
	return entries, err
}
