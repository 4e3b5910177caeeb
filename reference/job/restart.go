package job

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// RestartKind is the kind of a restart strategy. The names are Flink's.
type RestartKind string

// The kinds.
const (
	NoRestart        RestartKind = "none"
	FixedDelay       RestartKind = "fixed-delay"       // a fixed number of restarts
	ExponentialDelay RestartKind = "exponential-delay" // each wait is longer than the wait before it
	FailureRate      RestartKind = "failure-rate"      // a fixed number of restarts in an interval
)

// restartKinds lists the kinds; the first is the default.
func restartKinds() []RestartKind {
	return []RestartKind{NoRestart, FixedDelay, ExponentialDelay, FailureRate}
}

// RestartStrategy says whether and when a failed job restarts. Each kind uses only some of the
// fields.
type RestartStrategy struct {
	Kind     RestartKind
	Attempts int           // maximum number of restarts; failure-rate: maximum within Interval; exponential-delay: 0 means no limit
	Delay    time.Duration // wait before each restart; exponential-delay: wait before the first restart

	DelayMax   time.Duration // exponential-delay: the longest wait before a restart
	Multiplier float64       // exponential-delay: the factor by which each wait is longer than the wait before it
	ResetAfter time.Duration // exponential-delay: after this time without a failure the delays begin again
	Interval   time.Duration // failure-rate: the time within which the restarts are counted
}

func (s RestartStrategy) validate() error {
	switch {
	case !slices.Contains(restartKinds(), s.Kind):
		return fmt.Errorf("restart strategy: want one of %v, got %q", restartKinds(), s.Kind)
	case s.Attempts < 0:
		return fmt.Errorf("restarts: want 0 or more, got %d", s.Attempts)
	case s.Delay < 0 || s.DelayMax < 0 || s.ResetAfter < 0 || s.Interval < 0:
		return fmt.Errorf("restart strategy %s: times: want 0 or more", s.Kind)
	case s.Kind == ExponentialDelay && (s.Multiplier < 1 || s.DelayMax < s.Delay):
		return fmt.Errorf("restart strategy %s: want a multiplier of 1 or more and a maximum of at least the first delay, got %g and %s", s.Kind, s.Multiplier, s.DelayMax)
	case s.Kind == FailureRate && s.Interval == 0:
		return fmt.Errorf("restart strategy %s: want an interval of more than 0", s.Kind)
	}
	return nil
}

// Restarts applies a restart strategy to the failures of one job.
type Restarts struct {
	strategy RestartStrategy
	failures []time.Duration // the times of the failures
	streak   int             // exponential-delay: number of failures since the delays began again
}

// NewRestarts returns the state of a strategy before the first failure.
func NewRestarts(strategy RestartStrategy) *Restarts { return &Restarts{strategy: strategy} }

// Failed notes a failure. It says whether the job restarts, and how long to wait before that.
func (r *Restarts) Failed(now time.Duration) (wait time.Duration, restart bool) {
	s := r.strategy
	calm := len(r.failures) == 0 || now-r.failures[len(r.failures)-1] > s.ResetAfter
	r.failures = append(r.failures, now)
	switch s.Kind {
	case FixedDelay:
		return s.Delay, len(r.failures) <= s.Attempts
	case FailureRate:
		r.failures = slices.DeleteFunc(r.failures, func(at time.Duration) bool { return now-at > s.Interval })
		return s.Delay, len(r.failures) <= s.Attempts
	case ExponentialDelay:
		if calm && s.ResetAfter > 0 {
			r.streak = 0
		}
		wait = min(s.DelayMax, time.Duration(float64(s.Delay)*math.Pow(s.Multiplier, float64(r.streak))))
		r.streak++
		return wait, s.Attempts == 0 || r.streak <= s.Attempts
	}
	return 0, false
}
