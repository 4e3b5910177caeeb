package job

import (
	"fmt"
	"strings"
	"time"

	"github.com/snapback/snapback/reference/state"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
)

// Configure reads Flink's keys in the job's own configuration, and sets the fields of the job for
// which there is a key. Other fields stay as they are.
func (j *Job) Configure() error {
	r := &reader{from: j.Configuration}
	c := &j.Checkpoints
	r.duration(configuration.Interval, &c.Interval)
	r.duration(configuration.MinPause, &c.MinPause)
	r.duration(configuration.Timeout, &c.Timeout)
	r.duration(configuration.AlignmentTimeout, &c.AlignmentTimeout)
	r.int(configuration.MaxConcurrent, &c.MaxConcurrent)
	r.int(configuration.Tolerable, &c.TolerableFailures)
	r.bool(configuration.Unaligned, &c.Unaligned)
	r.text(configuration.RetentionOf, func(value string) { c.Retention = storage.Retention(strings.ToUpper(value)) })
	r.text(configuration.ClaimMode, func(value string) { j.Restore.ClaimMode = storage.ClaimMode(strings.ToUpper(value)) })
	r.text(configuration.RestorePath, func(value string) { j.Restore.Path = value })
	r.bool(configuration.AllowNonRestored, &j.Restore.AllowNonRestored)
	r.int(configuration.MaxParallelism, &j.ParallelismMax)
	r.text(configuration.Mode, func(value string) {
		switch strings.ToUpper(value) {
		case "EXACTLY_ONCE":
			c.AtLeastOnce = false
		case "AT_LEAST_ONCE":
			c.AtLeastOnce = true
		default:
			r.fail(fmt.Errorf("%s: want EXACTLY_ONCE or AT_LEAST_ONCE, got %q", configuration.Mode.Key, value))
		}
	})
	r.backend(&c.Backend)
	r.restart(&j.Restart)
	return r.err
}

// reader reads values from a configuration and keeps the first error.
type reader struct {
	from configuration.Configuration
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) given(o configuration.Option) bool {
	_, _, given := r.from.Find(o)
	return given
}

func (r *reader) text(o configuration.Option, take func(string)) {
	if r.given(o) {
		take(r.from.Text(o))
	}
}

func (r *reader) duration(o configuration.Option, into *time.Duration) {
	if !r.given(o) {
		return
	}
	value, err := r.from.Duration(o)
	if err != nil {
		r.fail(err)
	}
	*into = value
}

func (r *reader) int(o configuration.Option, into *int) {
	if !r.given(o) {
		return
	}
	value, err := r.from.Int(o)
	if err != nil {
		r.fail(err)
	}
	*into = value
}

func (r *reader) bool(o configuration.Option, into *bool) {
	if !r.given(o) {
		return
	}
	value, err := r.from.Bool(o)
	if err != nil {
		r.fail(err)
	}
	*into = value
}

// backend reads the state backend. If incremental checkpoints and the changelog are both enabled,
// the changelog wins.
func (r *reader) backend(into *state.Backend) {
	for _, known := range []struct {
		option  configuration.Option
		backend state.Backend
	}{{configuration.Incremental, state.Incremental}, {configuration.Changelog, state.Changelog}} {
		wanted := false
		if r.bool(known.option, &wanted); wanted {
			*into = known.backend
		}
	}
}

// restart reads the restart strategy, if the configuration names one. For missing values it takes
// Flink's defaults.
func (r *reader) restart(into *RestartStrategy) {
	if !r.given(configuration.RestartKind) {
		return
	}
	s := RestartStrategy{Kind: RestartKind(strings.ToLower(r.from.Text(configuration.RestartKind)))}
	number := func(o configuration.Option) int {
		value, err := r.from.Int(o)
		if err != nil {
			r.fail(err)
		}
		return value
	}
	duration := func(o configuration.Option) time.Duration {
		value, err := r.from.Duration(o)
		if err != nil {
			r.fail(err)
		}
		return value
	}
	switch s.Kind {
	case FixedDelay:
		s.Attempts, s.Delay = number(configuration.FixedDelayAttempts), duration(configuration.FixedDelayDelay)
	case FailureRate:
		s.Attempts, s.Delay = number(configuration.FailureRateMax), duration(configuration.FailureRateDelay)
		s.Interval = duration(configuration.FailureRateInterval)
	case ExponentialDelay:
		s.Attempts, s.Delay = number(configuration.ExponentialAttempts), duration(configuration.ExponentialInitial)
		s.DelayMax, s.ResetAfter = duration(configuration.ExponentialMax), duration(configuration.ExponentialReset)
		factor, err := r.from.Float(configuration.ExponentialFactor)
		if err != nil {
			r.fail(err)
		}
		s.Multiplier = factor
	}
	*into = s
}
