package simulation

import "time"

// clock is the clock of a process. A clock with the zero value shows the world's time.
type clock struct {
	since, shown time.Duration // when the world's time was `since`, this clock showed the time `shown`
	percent      int64         // the pace of the clock in percent of the world's pace; 0 means 100
}

func (c clock) pace() time.Duration {
	if c.percent == 0 {
		return 100
	}
	return time.Duration(c.percent)
}

func (c clock) read(now time.Duration) time.Duration { return c.shown + (now-c.since)*c.pace()/100 }

// real returns how much of the world's time passes until the clock has advanced by d.
func (c clock) real(d time.Duration) time.Duration {
	if c.percent == 0 {
		return d
	}
	return (d*100 + c.pace() - 1) / c.pace() // rounded up, so that a task that waits for a moment does not wake before it
}

// Jump sets a process's clock forward. Waits that have begun take as long as before.
func (w *World) Jump(process string, by time.Duration) {
	c := w.clocks[process]
	c.shown, c.since = c.read(w.now)+by, w.now
	w.clocks[process] = c
}

// Drift sets the pace of a process's clock, in percent of the world's pace.
func (w *World) Drift(process string, percent int64) {
	c := w.clocks[process]
	c.shown, c.since, c.percent = c.read(w.now), w.now, percent
	w.clocks[process] = c
}
