package storage

import (
	"fmt"
	"slices"
)

// ClaimMode says who owns the checkpoint from which a job is restored. The names are Flink's.
type ClaimMode string

// The claim modes.
const (
	Claim   ClaimMode = "CLAIM"    // the job owns the checkpoint, and discards it when a newer checkpoint subsumes it
	NoClaim ClaimMode = "NO_CLAIM" // the earlier owner keeps the checkpoint; the job's own checkpoints do not use its files
	Legacy  ClaimMode = "LEGACY"   // no job deletes the checkpoint, and the job's own checkpoints may use its files
)

// ClaimModes lists the modes; the first is the default.
func ClaimModes() []ClaimMode { return []ClaimMode{NoClaim, Claim, Legacy} }

// ParseClaimMode parses the name of a mode.
func ParseClaimMode(name string) (ClaimMode, error) {
	if slices.Contains(ClaimModes(), ClaimMode(name)) {
		return ClaimMode(name), nil
	}
	return "", fmt.Errorf("claim mode: want one of %v, got %q", ClaimModes(), name)
}
