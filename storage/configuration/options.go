package configuration

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scope says who may set an option.
type Scope int

// The scopes of options.
const (
	Job     Scope = iota // a job and the cluster may set the option; the job's value wins
	Cluster              // only the cluster may set the option
)

// Option is a key of Flink's configuration that this project uses.
type Option struct {
	Key     string   // current name of the key
	Old     []string // older names of the key, in the order in which Find looks for them
	Default string
	Scope   Scope
	Renewed bool // true if Flink's client writes a job's value of an older name under Key
}

// Keys lists all names of an option, the current name first.
func (o Option) Keys() []string { return append([]string{o.Key}, o.Old...) }

// The options, with Flink's defaults.
var (
	Storage      = Option{Key: "execution.checkpointing.storage", Old: []string{"state.checkpoint-storage"}}
	Dir          = Option{Key: "execution.checkpointing.dir", Old: []string{"state.checkpoints.dir", "state.backend.fs.checkpointdir"}, Renewed: true}
	SavepointDir = Option{Key: "execution.checkpointing.savepoint-dir", Old: []string{"state.savepoints.dir", "savepoints.state.backend.fs.dir"}}
	CreateSubdir = Option{Key: "execution.checkpointing.create-subdir", Old: []string{"state.checkpoints.create-subdir"}, Default: "true"}
	InlineMax    = Option{Key: "execution.checkpointing.data-inline-threshold", Old: []string{"state.storage.fs.memory-threshold", "state.backend.fs.memory-threshold"}, Default: "20 kb"}
	WriteBuffer  = Option{Key: "execution.checkpointing.write-buffer-size", Old: []string{"state.storage.fs.write-buffer-size", "state.backend.fs.write-buffer-size"}, Default: "4096"}
	StateBackend = Option{Key: "state.backend.type", Old: []string{"state.backend"}, Default: "hashmap"}

	Interval    = Option{Key: "execution.checkpointing.interval", Renewed: true}
	Timeout     = Option{Key: "execution.checkpointing.timeout", Default: "10 min", Renewed: true}
	Mode        = Option{Key: "execution.checkpointing.mode", Default: "EXACTLY_ONCE", Renewed: true}
	RetentionOf = Option{Key: "execution.checkpointing.externalized-checkpoint-retention", Default: "NO_EXTERNALIZED_CHECKPOINTS", Renewed: true}
	RestorePath = Option{Key: "execution.state-recovery.path", Old: []string{"execution.savepoint.path"}}
	ClaimMode   = Option{Key: "execution.state-recovery.claim-mode", Old: []string{"execution.savepoint-restore-mode"}, Default: "NO_CLAIM"}

	MinPause         = Option{Key: "execution.checkpointing.min-pause", Default: "0 ms", Renewed: true}
	MaxConcurrent    = Option{Key: "execution.checkpointing.max-concurrent-checkpoints", Default: "1", Renewed: true}
	Tolerable        = Option{Key: "execution.checkpointing.tolerable-failed-checkpoints", Default: "0", Renewed: true}
	Unaligned        = Option{Key: "execution.checkpointing.unaligned.enabled", Old: []string{"execution.checkpointing.unaligned"}, Default: "false", Renewed: true}
	AlignmentTimeout = Option{Key: "execution.checkpointing.aligned-checkpoint-timeout", Old: []string{"execution.checkpointing.alignment-timeout"}, Default: "0 ms", Renewed: true}
	Incremental      = Option{Key: "execution.checkpointing.incremental", Old: []string{"state.backend.incremental"}, Default: "false"}
	Changelog        = Option{Key: "state.changelog.enabled", Old: []string{"state.backend.changelog.enabled"}, Default: "false"}
	AllowNonRestored = Option{Key: "execution.state-recovery.ignore-unclaimed-state", Old: []string{"execution.savepoint.ignore-unclaimed-state"}, Default: "false"}
	MaxParallelism   = Option{Key: "pipeline.max-parallelism", Default: "-1"}

	RestartKind         = Option{Key: "restart-strategy.type", Old: []string{"restart-strategy"}, Default: "none"}
	FixedDelayAttempts  = Option{Key: "restart-strategy.fixed-delay.attempts", Default: "1"}
	FixedDelayDelay     = Option{Key: "restart-strategy.fixed-delay.delay", Default: "1 s"}
	ExponentialInitial  = Option{Key: "restart-strategy.exponential-delay.initial-backoff", Default: "1 s"}
	ExponentialMax      = Option{Key: "restart-strategy.exponential-delay.max-backoff", Default: "1 min"}
	ExponentialFactor   = Option{Key: "restart-strategy.exponential-delay.backoff-multiplier", Default: "1.5"}
	ExponentialReset    = Option{Key: "restart-strategy.exponential-delay.reset-backoff-threshold", Default: "1 h"}
	ExponentialAttempts = Option{Key: "restart-strategy.exponential-delay.attempts-before-reset-backoff", Default: "0"}
	FailureRateMax      = Option{Key: "restart-strategy.failure-rate.max-failures-per-interval", Default: "1"}
	FailureRateInterval = Option{Key: "restart-strategy.failure-rate.failure-rate-interval", Default: "1 min"}
	FailureRateDelay    = Option{Key: "restart-strategy.failure-rate.delay", Default: "1 s"}

	NumRetained = Option{Key: "execution.checkpointing.num-retained", Old: []string{"state.checkpoints.num-retained"}, Default: "1", Scope: Cluster}
	FrameSize   = Option{Key: "pekko.framesize", Old: []string{"akka.framesize"}, Default: "10485760b", Scope: Cluster}
	Heap        = Option{Key: "jobmanager.memory.heap.size", Default: "1 gb", Scope: Cluster}
	EntropyKey  = Option{Key: "s3.entropy.key", Scope: Cluster}
	EntropySize = Option{Key: "s3.entropy.length", Default: "4", Scope: Cluster}
)

// Options lists all options.
func Options() []Option {
	return []Option{
		Storage, Dir, SavepointDir, CreateSubdir, InlineMax, WriteBuffer, StateBackend,
		Interval, Timeout, Mode, RetentionOf, RestorePath, ClaimMode,
		MinPause, MaxConcurrent, Tolerable, Unaligned, AlignmentTimeout, Incremental, Changelog, AllowNonRestored, MaxParallelism,
		RestartKind, FixedDelayAttempts, FixedDelayDelay, ExponentialInitial, ExponentialMax, ExponentialFactor, ExponentialReset,
		ExponentialAttempts, FailureRateMax, FailureRateInterval, FailureRateDelay,
		NumRetained, FrameSize, Heap, EntropyKey, EntropySize,
	}
}

// ValueError says that a configuration value is not valid for its key.
type ValueError struct {
	Key, Value, Want string
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("configuration key %s: want %s, got %q", e.Key, e.Want, e.Value)
}

func (c Configuration) fail(o Option, want string) error {
	value, key, _ := c.Find(o)
	return &ValueError{Key: key, Value: value, Want: want}
}

// Text returns the value of an option as text.
func (c Configuration) Text(o Option) string {
	value, _, _ := c.Find(o)
	return value
}

// Bool returns the value of an option that must be true or false.
func (c Configuration) Bool(o Option) (bool, error) {
	switch strings.ToLower(c.Text(o)) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, c.fail(o, "true or false")
}

// Int returns the value of an option that must be a whole number.
func (c Configuration) Int(o Option) (int, error) {
	value, err := strconv.ParseInt(c.Text(o), 10, 32)
	if err != nil {
		return 0, c.fail(o, "a whole number")
	}
	return int(value), nil
}

// Float returns the value of an option that must be a number.
func (c Configuration) Float(o Option) (float64, error) {
	value, err := strconv.ParseFloat(c.Text(o), 64)
	if err != nil {
		return 0, c.fail(o, "a number")
	}
	return value, nil
}

// Bytes returns the value of an option that is a size, in bytes. Units are powers of 1024. A number
// without a unit means bytes.
func (c Configuration) Bytes(o Option) (int64, error) {
	units := []string{"b", "k", "m", "g", "t"}
	names := [][]string{{"", "b", "bytes"}, {"k", "kb", "kibibytes"}, {"m", "mb", "mebibytes"}, {"g", "gb", "gibibytes"}, {"t", "tb", "tebibytes"}}
	number, unit, ok := quantity(strings.ToLower(c.Text(o)))
	for power := range units {
		if !ok || !slices.Contains(names[power], unit) {
			continue
		}
		if number > math.MaxInt64>>(10*power) {
			break
		}
		return number << (10 * power), nil
	}
	return 0, c.fail(o, "a size such as 512, 20 kb or 1 mb")
}

// Duration returns the value of an option that is a time. A number without a unit means
// milliseconds.
func (c Configuration) Duration(o Option) (time.Duration, error) {
	number, unit, ok := quantity(c.Text(o))
	for _, known := range []struct {
		names []string
		unit  time.Duration
	}{
		{[]string{"", "ms", "milli", "millis", "millisecond", "milliseconds"}, time.Millisecond},
		{[]string{"s", "sec", "secs", "second", "seconds"}, time.Second},
		{[]string{"min", "m", "minute", "minutes"}, time.Minute},
		{[]string{"h", "hour", "hours"}, time.Hour},
		{[]string{"d", "day", "days"}, 24 * time.Hour},
		{[]string{"µs", "micro", "micros", "microsecond", "microseconds"}, time.Microsecond},
		{[]string{"ns", "nano", "nanos", "nanosecond", "nanoseconds"}, time.Nanosecond},
	} {
		if ok && slices.Contains(known.names, unit) && number <= math.MaxInt64/int64(known.unit) {
			return time.Duration(number) * known.unit, nil
		}
	}
	return 0, c.fail(o, "a time such as 500 ms, 10 s or 5 min")
}

// quantity splits a text such as "20 kb" into a number and its unit.
func quantity(text string) (number int64, unit string, ok bool) {
	text = strings.TrimSpace(text)
	digits := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(text)
	}
	number, err := strconv.ParseInt(text[:digits], 10, 64)
	return number, strings.TrimSpace(text[digits:]), err == nil
}
