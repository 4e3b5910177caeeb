package simulation

import "time"

// clock is what a process takes for the time. The zero clock is right.
type clock struct {
	since, shown time.Duration // it showed that then
	percent      int64         // of the world's pace; 0: as fast
}

func (c clock) pace() time.Duration {
	if c.percent == 0 {
		return 100
	}
	return time.Duration(c.percent)
}

func (c clock) read(now time.Duration) time.Duration { return c.shown + (now-c.since)*c.pace()/100 }

// real is how long it takes until the clock has gone on by d.
func (c clock) real(d time.Duration) time.Duration {
	if c.percent == 0 {
		return d
	}
	return (d*100 + c.pace() - 1) / c.pace() // not too early: who waits for a moment would wait again, forever
}

// Jump puts a process's clock forward. Waits that have begun take as long as before.
func (w *World) Jump(process string, by time.Duration) {
	c := w.clocks[process]
	c.shown, c.since = c.read(w.now)+by, w.now
	w.clocks[process] = c
}

// Drift makes a process's clock go at so many percent of the world's pace, from now on.
func (w *World) Drift(process string, percent int64) {
	c := w.clocks[process]
	c.shown, c.since, c.percent = c.read(w.now), w.now, percent
	w.clocks[process] = c
}
