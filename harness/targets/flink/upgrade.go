package flink

import (
	"context"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/target"
)

// upgraded is a target of another release on the storage of a cluster. It installs the release when
// its cluster starts.
type upgraded struct {
	target.Target
	options Options
	start   func(context.Context, Target, target.Spec) (target.Cluster, error)
}

// Start implements [target.Target].
func (u upgraded) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	t, err := Provision(ctx, u.options, func(string) {})
	if err != nil {
		return nil, err
	}
	return u.start(ctx, t, spec)
}

// Upgraded implements [target.Upgrader].
func (c mounted) Upgraded(version string) (target.Target, error) {
	options := Options{Version: version}
	other, err := options.target()
	if err != nil {
		return nil, err
	}
	after := c.target
	after.Target, after.survived = other, c.minicluster
	c.handedOver = true
	return upgraded{after, options, func(ctx context.Context, t Target, spec target.Spec) (target.Cluster, error) {
		after.Target = t
		return after.Start(ctx, spec)
	}}, nil
}

// Upgraded implements [target.Upgrader].
func (c local) Upgraded(version string) (target.Target, error) {
	if c.mount != nil {
		return nil, harness.Usagef("upgrade: the runtime processes cannot do it in a scenario with faults at operations on storage; use the runtime minicluster")
	}
	if c.target.describeStorage() != "" {
		return nil, harness.Usagef("upgrade: want checkpoints in the run directory, got --storage %s", c.target.describeStorage())
	}
	options := Options{Version: version}
	other, err := options.target()
	if err != nil {
		return nil, err
	}
	return upgraded{other, options, func(ctx context.Context, t Target, spec target.Spec) (target.Cluster, error) {
		t.survived = c.cluster
		return t.Start(ctx, spec)
	}}, nil
}
