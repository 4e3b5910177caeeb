package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/snapback/snapback/suites/architecture"
	"github.com/snapback/snapback/suites/internal/announce"
)

// event is a line of the output of go test -json. The command go doc test2json describes the
// fields.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64 // seconds
	Output  string
}

// log prints the progress of the tests. Several goroutines may call its methods.
type log struct {
	mu       sync.Mutex
	out      io.Writer
	began    time.Time
	packages map[string]*tested
	skips    []string
}

// tested is a package whose tests run or have run.
type tested struct {
	began   time.Time
	verdict string // empty while the package runs
	seconds float64
	cached  bool
	tests   map[string]*test // the tests that run now or have failed
	spec    test             // the newest spec of ginkgo
}

// test is a test that runs now or has failed. The empty name stands for the package itself.
type test struct {
	name   string
	began  time.Time
	output strings.Builder
}

func newLog(out io.Writer) *log {
	return &log{out: out, began: time.Now(), packages: map[string]*tested{}}
}

func (l *log) print(format string, arguments ...any) { _, _ = fmt.Fprintf(l.out, format, arguments...) }

// add processes an event.
func (l *log) add(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Action == "build-output" {
		l.print("%s", e.Output)
	}
	if e.Package == "" {
		return
	}
	p := l.packages[e.Package]
	if p == nil {
		p = &tested{began: time.Now(), tests: map[string]*test{}}
		l.packages[e.Package] = p
	}
	t := p.tests[e.Test]
	if t == nil {
		t = &test{name: e.Test, began: time.Now()}
		p.tests[e.Test] = t
	}
	switch {
	case e.Action == "output":
		l.output(e, p, t)
	case e.Test == "" && slices.Contains([]string{"pass", "fail", "skip"}, e.Action):
		l.done(e, p)
	case e.Action == "skip":
		l.skips = append(l.skips, short(e.Package)+": "+e.Test+": "+lastLine(t.output.String()))
		delete(p.tests, e.Test)
	case e.Action == "pass":
		delete(p.tests, e.Test)
	}
}

func (l *log) output(e event, p *tested, t *test) {
	if e.Test == "" && strings.HasPrefix(e.Output, "ok ") {
		p.cached = strings.Contains(e.Output, "(cached)")
		return
	}
	if _, spec, found := strings.Cut(e.Output, announce.Running); found {
		p.spec = test{name: strings.TrimSpace(spec), began: time.Now()}
		return
	}
	if _, spec, found := strings.Cut(e.Output, announce.Skipped); found {
		l.skips = append(l.skips, short(e.Package)+": "+strings.TrimSpace(spec))
		return
	}
	t.output.WriteString(e.Output)
}

// done() prints how a package ended. If the package failed, done() prints the output of the tests
// that failed or did not end.
func (l *log) done(e event, p *tested) {
	p.verdict, p.seconds = map[string]string{"pass": "ok", "fail": "FAIL", "skip": "none"}[e.Action], e.Elapsed
	if e.Action == "fail" {
		for _, name := range slices.Sorted(maps.Keys(p.tests)) {
			l.print("%s", p.tests[name].output.String())
		}
	}
	p.tests = nil
	l.print("%s\n", p.line(e.Package))
}

func (p *tested) line(name string) string {
	cached := ""
	if p.cached {
		cached = " (cached)"
	}
	if p.verdict == "none" {
		cached = " (no tests)"
	}
	return fmt.Sprintf("%-4s %7.1fs  %s%s", p.verdict, p.seconds, short(name), cached)
}

// running() prints the packages and tests that run now, and how long they have run.
func (l *log) running() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, none := time.Now(), true
	for _, name := range slices.Sorted(maps.Keys(l.packages)) {
		p := l.packages[name]
		if p.verdict != "" {
			continue
		}
		none = false
		l.print("...  %7.1fs  %s%s\n", now.Sub(p.began).Seconds(), short(name), p.newest(now))
	}
	if none {
		l.print("...  %7.1fs  go builds\n", now.Sub(l.began).Seconds())
	}
}

// newest returns the name of the test or spec that began last.
func (p *tested) newest(now time.Time) string {
	newest := &p.spec
	for _, t := range p.tests {
		if t.name != "" && t.began.After(newest.began) {
			newest = t
		}
	}
	if newest.name == "" {
		return ""
	}
	return fmt.Sprintf(": %s, for %.1fs", newest.name, now.Sub(newest.began).Seconds())
}

// end() prints the times of all packages, the slowest package first. Then it prints every skip.
func (l *log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := slices.SortedFunc(maps.Keys(l.packages), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.packages[b].seconds, l.packages[a].seconds), cmp.Compare(a, b))
	})
	failed := 0
	l.print("\ntimes of packages:\n")
	for _, name := range names {
		p := l.packages[name]
		if p.verdict != "ok" && p.verdict != "none" {
			failed++
		}
		if p.verdict != "none" {
			l.print("%s\n", p.line(name))
		}
	}
	l.print("\nskips: %d\n", len(l.skips))
	for _, skip := range slices.Sorted(slices.Values(l.skips)) {
		l.print("  %s\n", skip)
	}
	l.print("\nDONE %d packages, %d failed, %d skips in %.0fs\n", len(names), failed, len(l.skips), time.Since(l.began).Seconds())
}

// lastLine returns the reason for a skip: the last line of the test's output that go test itself
// did not add.
func lastLine(output string) string {
	reason := "no reason"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			reason = line
		}
	}
	return reason
}

func short(name string) string { return strings.TrimPrefix(name, architecture.Module+"/") }
