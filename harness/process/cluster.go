package process

import (
	"cmp"
	"context"
	"time"
)

// Cluster is a master process, whose log tells what happens, and its workers.
type Cluster struct {
	Master  *Process
	Log     *Tail
	Workers Workers
}

// Lines lets a moment pass and returns what the master logged. It is an error if
// one of the processes ended by itself.
func (c *Cluster) Lines(ctx context.Context, moment time.Duration) ([]string, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(moment):
	}
	if err := cmp.Or(c.Master.Ended(), c.Workers.Ended()); err != nil {
		return nil, err
	}
	return c.Log.Lines()
}
