package commandline

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// quietMax is how long a run that nobody watches on a terminal may take without a
// line of progress.
const quietMax = 5 * time.Second

// progress tells people what is going on: on a terminal in one line that changes,
// elsewhere in a line now and then, or in all lines.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	all      bool
	none     bool
	shown    bool // there is a line that changes
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

// line prints a line that stays.
func (p *progress) line(text string) {
	if p.none {
		return
	}
	p.done(func() { _, _ = fmt.Fprintln(p.out, text) })
}

// say reports on something that is not a scenario.
func (p *progress) say(what string) { p.scenario("", what) }

// scenario reports on a scenario.
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

// done lets something be printed that stays, below no line that changes.
func (p *progress) done(say func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
	say()
	p.last = time.Now()
}
