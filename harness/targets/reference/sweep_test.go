package reference_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/targets/reference"
)

// The sweep kills a process at the operations of checkpoints, and the job comes back each time.
func TestSweep(t *testing.T) {
	for _, c := range []struct {
		kill         faults.Process
		every, kills int // every: N, if the sweep takes every Nth operation; kills: the wanted number of kills in the first phase
	}{{explore.Task, 3, 1}, {faults.TaskManager, 3, 2}, {faults.JobManager, 14, 2}} {
		kill := c.kill
		s := catalogue(t, "durability/operations")[0]
		s.Workload.Records = 2000
		sweep := explore.Sweep{Target: reference.Simulated{}, Seed: 5, History: io.Discard, Kill: kill, Every: c.every, Timeout: 2 * time.Minute}
		phases := map[faults.Phase]int{}
		operations, result, err := sweep.Run(context.Background(), s, func(one explore.Swept) { phases[one.Phase]++ })
		if err != nil || result.Verdict != oracle.Pass {
			t.Errorf("%s: %s %s %+v, %v", kill, result.Verdict, result.Reason, result.Findings, err)
		}
		if len(operations) < 6 || phases[faults.Begin] != c.kills || phases[faults.State] == 0 {
			t.Errorf("%s: %d kills: %v", kill, len(operations), phases)
		}
		t.Logf("%s: %d kills: %v, %s", kill, len(operations), phases, result.Took)
	}
}
