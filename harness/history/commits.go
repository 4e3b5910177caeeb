package history

// Commits says what became of the transactions of the newest checkpoint that was complete when a fault
// fired: how many were committed by then, and how many ended only later. A transaction with a record
// from before the checkpoint was complete is of this checkpoint. On a busy machine an aborted one may
// be of the next checkpoint, unless it is older than the trigger of this one.
func (h *History) Commits(fired Event) (complete Event, committed, pending int) {
	triggered := map[int64]int64{}
	for _, e := range h.Events[:fired.Number-1] {
		switch e.Kind {
		case Triggered:
			triggered[e.Checkpoint] = e.AtMicros
		case Completed:
			complete = e
		}
	}
	for _, e := range h.Events {
		for _, t := range e.Transactions {
			switch {
			case complete.AtMicros < t.CommittedMicros && t.CommittedMicros <= fired.AtMicros:
				committed++
			case t.BeganMicros < complete.AtMicros && fired.AtMicros < t.CommittedMicros:
				pending++
			case t.BeganMicros < triggered[complete.Checkpoint] && fired.AtMicros < t.AbortedMicros:
				pending++
			}
		}
	}
	return complete, committed, pending
}
