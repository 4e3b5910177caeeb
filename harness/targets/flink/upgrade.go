package flink

import (
	"context"
	"path/filepath"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/target"
)

// Upgraded implements [target.Upgrader]. Faults that are armed stay armed.
func (c mounted) Upgraded(ctx context.Context, version string) (target.Target, error) {
	other, err := c.target.upgrade(ctx, version)
	if err != nil {
		return nil, err
	}
	after := c.target
	after.Target, after.survived = other, c.minicluster
	if c.pool != nil {
		return successor{after, c.pool.of(other)}, nil
	}
	return after, nil
}

// successor is a minicluster after an upgrade. A pool lends its JVM.
type successor struct {
	Minicluster
	pool *Pool
}

// Start implements [target.Target].
func (s successor) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	return s.start(ctx, spec, s.pool)
}

// of returns the pool of another release. It ends with this pool.
func (p *Pool) of(other Target) *Pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.others == nil {
		p.others = map[string]*Pool{}
	}
	if p.others[other.version] == nil {
		p.others[other.version] = &Pool{Minicluster: Minicluster{Target: other}, dir: filepath.Join(p.dir, other.version)}
	}
	return p.others[other.version]
}

// Upgraded implements [target.Upgrader]. Faults that are armed stay armed.
func (c local) Upgraded(ctx context.Context, version string) (target.Target, error) {
	if c.target.describeStorage() != "" {
		return nil, harness.Usagef("upgrade: want checkpoints in the run directory, got --storage %s", c.target.describeStorage())
	}
	other, err := c.target.upgrade(ctx, version)
	if err != nil {
		return nil, err
	}
	other.survived = c.cluster
	return other, nil
}

// HandOver implements [target.Upgrader].
func (c mounted) HandOver() { c.handedOver, c.upgraded = true, true }

// HandOver implements [target.Upgrader].
func (c local) HandOver() { c.handedOver = true }

// upgrade installs another release of Flink.
func (t Target) upgrade(ctx context.Context, version string) (Target, error) {
	return Provision(ctx, Options{Version: version}, t.say)
}
