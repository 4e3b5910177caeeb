package scenarios

import (
	"fmt"
	"maps"
	"slices"

	"github.com/snapback/snapback/storage/configuration"
)

// ofFields lists the keys of Flink's configuration that fields of a scenario set. A setting with such
// a key could contradict the field, and the verdicts follow the fields.
var ofFields = []struct {
	option configuration.Option
	field  string
}{
	{configuration.Dir, ""},
	{configuration.NumRetained, "cluster.retained"},
	{configuration.Interval, "job.interval"},
	{configuration.MinPause, "job.minPause"},
	{configuration.Timeout, "job.timeout"},
	{configuration.MaxConcurrent, "job.maxConcurrent"},
	{configuration.Tolerable, "job.tolerable"},
	{configuration.RetentionOf, "job.retention"},
	{configuration.Mode, "job.atLeastOnce"},
	{configuration.Unaligned, "job.unaligned"},
	{configuration.AlignmentTimeout, "job.alignmentTimeout"},
	{configuration.MaxParallelism, "job.maxParallelism"},
	{configuration.RestorePath, "submit.restore"},
	{configuration.ClaimMode, "submit.claimMode"},
	{configuration.AllowNonRestored, "submit.allowNonRestored"},
}

// validateSettings refuses settings that a field of the scenario sets.
func validateSettings(settings map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		for _, of := range ofFields {
			switch {
			case !slices.Contains(of.option.Keys(), key):
			case of.field == "":
				return fmt.Errorf("settings: %s: the harness sets this key itself", key)
			default:
				return fmt.Errorf("settings: %s: use the field %s", key, of.field)
			}
		}
	}
	return nil
}
