package commandline

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// quietMax is the shortest time between two lines of progress if stderr is not a terminal.
const quietMax = 5 * time.Second

// progress prints the steps of a command. On a terminal it shows one line that changes. If stderr
// is not a terminal, it prints one line every few seconds. With --verbose it prints a line for each
// step.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	all      bool
	none     bool
	shown    bool // true while the terminal shows a line that changes
	last     time.Time
}

func newProgress(out io.Writer, verbose, quiet bool) *progress {
	return &progress{
		out: out, all: verbose, none: quiet, last: time.Now(),
		terminal: !verbose && isTerminal(os.Stderr),
	}
}

func isTerminal(file *os.File) bool {
	return term.IsTerminal(int(file.Fd()))
}

// line prints a line that does not change.
func (p *progress) line(text string) {
	if p.none {
		return
	}
	p.done(func() { _, _ = fmt.Fprintln(p.out, text) })
}

// say reports a step that belongs to no scenario.
func (p *progress) say(what string) { p.scenario("", what) }

// scenario reports a step of a scenario.
func (p *progress) scenario(name, what string) {
	if p.none {
		return
	}
	if name != "" {
		what = name + ": " + what
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.terminal:
		width, _, err := term.GetSize(int(os.Stderr.Fd()))
		if err == nil && len(what) >= width {
			what = what[:max(0, width-1)]
		}
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s", what)
		p.shown = true
	case p.all || time.Since(p.last) >= quietMax:
		_, _ = fmt.Fprintln(p.out, what)
		p.last = time.Now()
	}
}

// done() deletes the changing line on the terminal. Then it calls show(), which prints permanent
// lines.
func (p *progress) done(show func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
	show()
	p.last = time.Now()
}
