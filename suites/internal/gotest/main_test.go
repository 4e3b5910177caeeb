package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// module is a Go module. It has packages that fail, that skip a test, that print nothing, and that
// do not compile.
var module = map[string]string{
	"go.mod": "module example.com/m\n\ngo 1.26\n",
	"failing/failing_test.go": `package failing
import "testing"
func TestGood(t *testing.T) { t.Log("nobody wants to read this") }
func TestBad(t *testing.T) { t.Run("part", func(t *testing.T) { t.Error("two is not three") }) }
`,
	"panicking/panicking_test.go": `package panicking
import "testing"
func TestPanic(t *testing.T) { panic("out of luck") }
`,
	"skipping/skipping_test.go": `package skipping
import "testing"
func TestSkipped(t *testing.T) { t.Skip("the moon is full") }
`,
	"silent/silent_test.go": `package silent
import ("testing"; "time")
func TestSilent(t *testing.T) { time.Sleep(3*time.Second) }
`,
	"broken/broken_test.go": `package broken
func nothing() { undefined() }
`,
	"untested/untested.go": "package untested\n",
	"specs/specs_test.go": `package specs
import ("fmt"; "testing"; "time")
func TestSpecs(t *testing.T) {
	fmt.Println("•[spec runs] a job comes back")
	fmt.Println("[spec skipped] a job flies: no wings")
	time.Sleep(2*time.Second)
}
`,
}

func gotest(t *testing.T, packages ...string) (output string, code int) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range module {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var out strings.Builder
	code, err := run(&out, 500*time.Millisecond, packages)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), code
}

func TestWhatFailsIsPrintedWholeAndFails(t *testing.T) {
	output, code := gotest(t, "./...")
	if code != 1 {
		t.Errorf("want exit code 1, got %d", code)
	}
	for _, want := range []string{
		`two is not three`,
		`--- FAIL: TestBad/part`,
		`panic: out of luck`,
		`undefined: undefined`,
		`FAIL +\d+\.\ds  example.com/m/failing\n`,
		`FAIL +\d+\.\ds  example.com/m/broken\n`,
		`ok +\d+\.\ds  example.com/m/silent\n`,
		`none +0\.0s  example.com/m/untested \(no tests\)\n`,
		`skips: 2\n  example.com/m/skipping: TestSkipped: skipping_test.go:3: the moon is full\n  example.com/m/specs: a job flies: no wings\n`,
		`DONE 7 packages, 3 failed, 2 skips in \d+s\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(output) {
			t.Errorf("want %q in:\n%s", want, output)
		}
	}
	if strings.Contains(output, "nobody wants to read this") {
		t.Errorf("a test that passed was printed:\n%s", output)
	}
}

func TestWhatIsSilentIsNamedWhileItRuns(t *testing.T) {
	output, code := gotest(t, "-count=1", "./silent", "./specs")
	if code != 0 {
		t.Errorf("want exit code 0, got %d", code)
	}
	for _, want := range []string{
		`\.\.\. +\d+\.\ds  example.com/m/silent: TestSilent, for \d+\.\ds\n`,
		`\.\.\. +\d+\.\ds  example.com/m/specs: a job comes back, for \d+\.\ds\n`,
		`(?s)times of packages:\nok .*silent\nok .*specs\n`,
	} {
		if !regexp.MustCompile(want).MatchString(output) {
			t.Errorf("want %q in:\n%s", want, output)
		}
	}
}

func TestExitCodesAreThoseOfGoTest(t *testing.T) {
	if _, code := gotest(t, "-count=many"); code != 2 {
		t.Errorf("want exit code 2 for a bad flag, got %d", code)
	}
}

func TestALineThatIsNoEventIsPrinted(t *testing.T) {
	var out strings.Builder
	if err := read(strings.NewReader("no event\n"), newLog(&out)); err != nil || out.String() != "no event\n" {
		t.Errorf("want the line, got %q, %v", out.String(), err)
	}
}
