package report

import (
	"fmt"
	"time"

	"github.com/snapback/snapback/harness/history"
)

// timeline is a drawing of a run. Time goes from left to right. Each job has a lane, each
// checkpoint has a bar, and each fault and each change of status has a mark.
type timeline struct {
	Width, Height int // SVG user units
	Lanes         []lane
	Faults        []mark
	Ticks         []mark
}

type lane struct {
	Name string
	Y    int
	Bars []bar
	Row  []mark
}

type bar struct {
	X, Width float64
	Class    string // completed, aborted or unfinished
	Title    string
}

type mark struct {
	X     float64
	Label string
	Title string
}

const (
	timelineWidth  = 1000
	timelineMargin = 90 // room for the names of the lanes
	timelineRight  = 30 // room for half of the last tick's label
	laneHeight     = 46
	ticks          = 5
)

// draw places the events of a history on a timeline. A history without events has no timeline.
func draw(h *history.History) *timeline {
	if len(h.Events) == 0 {
		return nil
	}
	end := max(h.Events[len(h.Events)-1].At(), time.Millisecond)
	x := func(at time.Duration) float64 {
		return timelineMargin + float64(timelineWidth-timelineMargin-timelineRight)*float64(at)/float64(end)
	}
	t := &timeline{Width: timelineWidth}
	for i := range ticks + 1 {
		at := end * time.Duration(i) / ticks
		t.Ticks = append(t.Ticks, mark{X: x(at), Label: at.Round(time.Millisecond).String()})
	}
	for _, job := range h.Jobs() {
		l := lane{Name: job.Name, Y: 20 + laneHeight*len(t.Lanes)}
		open := map[int64]int{} // the index of each checkpoint's bar
		for _, e := range h.Events {
			if job.ID == "" || e.ID != job.ID {
				continue
			}
			switch e.Kind {
			case history.Triggered:
				open[e.Checkpoint] = len(l.Bars)
				l.Bars = append(l.Bars, bar{
					X: x(e.At()), Width: x(end) - x(e.At()), Class: "unfinished",
					Title: fmt.Sprintf("checkpoint %d, never completed", e.Checkpoint),
				})
			case history.Completed, history.Aborted:
				at, ok := open[e.Checkpoint]
				if !ok {
					continue
				}
				l.Bars[at].Width = max(2, x(e.At())-l.Bars[at].X)
				l.Bars[at].Class = string(e.Kind)
				l.Bars[at].Title = fmt.Sprintf("checkpoint %d %s at %s %s", e.Checkpoint, e.Kind, e.At(), e.Error)
			case history.Restored:
				l.Row = append(l.Row, mark{x(e.At()), "↺", fmt.Sprintf("restored from %s %d at %s", h.KindOf(e), e.Checkpoint, e.At())})
			case history.Status:
				l.Row = append(l.Row, mark{x(e.At()), "•", fmt.Sprintf("%s at %s %s", e.Status, e.At(), e.Error)})
			}
		}
		t.Lanes = append(t.Lanes, l)
	}
	for _, e := range h.Events {
		if e.Kind == history.Fault {
			t.Faults = append(t.Faults, mark{x(e.At()), "✕ " + e.Process, fmt.Sprintf("%s hit %s at %s", e.Fault, e.Process, e.At())})
		}
	}
	t.Height = 20 + laneHeight*len(t.Lanes) + 20
	return t
}
