package task

import (
	"time"

	"github.com/snapback/snapback/reference/dataflow"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/protocol"
)

// act does the next thing that the subtask can do. It returns false if there is nothing to do. An
// overtaking barrier goes first. Otherwise the subtask consumes nothing while an output holds
// elements back.
func (s *subtask) act() (bool, error) {
	now := s.env.Now()
	switch {
	case s.overtakes(now):
		return true, s.overtake()
	case s.gate.aligning != nil && s.gate.aligning.overtaken && s.gate.aligned():
		s.captured()
		return true, nil
	case !s.room():
		return false, nil
	case len(s.replay) > 0:
		first := s.replay[0]
		s.replay = s.replay[1:]
		return true, s.process(first.edge, first.record)
	case s.trigger != nil && (s.source != nil || s.gate.ended()):
		// A source has no subtasks upstream. For other subtasks, all subtasks upstream have
		// finished, and their last records go before the barrier.
		barrier := s.trigger.barrier
		s.trigger = nil
		return true, s.checkpoint(barrier, nil)
	case s.gate.aligned():
		barrier := s.gate.aligning.barrier
		s.gate.done()
		return true, s.checkpoint(barrier, nil)
	case s.source != nil:
		if !s.emits() || now < s.nextRecord {
			return false, nil
		}
		return true, s.produce()
	}
	return s.consume(now)
}

// room says whether the subtask may process one more record. It may not while an output holds
// elements back.
func (s *subtask) room() bool {
	for _, o := range s.outputs {
		if !o.room() {
			return false
		}
	}
	return true
}

// emits says whether a source may emit records.
func (s *subtask) emits() bool { return s.started && !s.end && s.suspended == 0 }

// idle returns how long the subtask has nothing to do if no message arrives.
func (s *subtask) idle() time.Duration {
	wait := environment.Forever
	until := func(at time.Duration) { wait = min(wait, max(0, at-s.env.Now())) }
	if s.source != nil && s.emits() && s.room() {
		until(s.nextRecord)
	}
	waiting := s.gate.aligning
	if s.trigger != nil {
		waiting = s.trigger
	}
	if waiting != nil && !waiting.overtaken && !s.inOrder && (s.trigger == nil || s.source != nil) && waiting.barrier.AlignmentTimeout > 0 {
		until(waiting.since + waiting.barrier.AlignmentTimeout)
	}
	return wait
}

// produce makes the source emit its next record.
func (s *subtask) produce() error {
	more, err := s.source.Next()
	if err != nil {
		return err
	}
	s.nextRecord = s.env.Now() + s.source.Pause()
	if !more {
		return s.endOfInput()
	}
	return nil
}

// consume processes the next element from upstream.
func (s *subtask) consume(now time.Duration) (bool, error) {
	element, from, ok := s.gate.next(now)
	in := func() *channel { return &s.gate.channels[from] }
	switch {
	case !ok:
		return s.gate.aligned(), nil // if the barriers are aligned, the next call of act takes the checkpoint
	case element.Watermark != nil:
		in().watermark = *element.Watermark
		return true, s.advance(s.gate.watermark())
	case element.End:
		in().ended = true
		if err := s.advance(s.gate.watermark()); err != nil {
			return true, err
		}
		if s.gate.ended() {
			return true, s.endOfInput()
		}
		return true, nil
	}
	if err := s.process(in().edge, element.Record); err != nil {
		return true, err
	}
	s.gate.consume(s.env, from)
	return true, nil
}

func (s *subtask) process(edge int, record dataflow.Record) error {
	if s.state.Keyed != nil {
		s.state.Keyed.SetKey(record.Key, dataflow.KeyGroup(record.Key, s.deploy.Groups))
	}
	return s.operator.Process(edge, record)
}

// advance advances event time. It calls the timers that are due, then emits the watermark.
func (s *subtask) advance(watermark int64) error {
	if watermark <= s.watermark {
		return nil
	}
	s.watermark = watermark
	if timed, ok := s.operator.(dataflow.Timed); ok && s.state.Keyed != nil {
		for time, due := s.state.Keyed.NextTimer(watermark); due; time, due = s.state.Keyed.NextTimer(watermark) {
			if err := timed.OnTime(time); err != nil {
				return err
			}
		}
	}
	s.emitWatermark(watermark)
	return nil
}

func (s *subtask) emit(record dataflow.Record) {
	for _, o := range s.outputs {
		o.emit(record)
	}
}

func (s *subtask) emitWatermark(time int64) {
	for _, o := range s.outputs {
		o.all(protocol.Element{Watermark: &time})
	}
}

// endOfInput tells the subtasks downstream and the master that this subtask emits nothing any more.
// The subtask stays until a complete checkpoint holds its last state.
func (s *subtask) endOfInput() error {
	if s.end {
		return nil
	}
	if ender, ok := s.operator.(dataflow.Ender); ok {
		if err := ender.End(); err != nil {
			return err
		}
	}
	s.end = true
	for _, o := range s.outputs {
		o.all(protocol.Element{End: true})
	}
	s.env.Send(s.deploy.Master, protocol.EndOfInput{Subtask: s.deploy.Subtask, Attempt: s.deploy.Attempt})
	return nil
}
