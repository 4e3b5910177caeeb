package oracle

import (
	"fmt"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness/history"
)

// afterCommit looks at a kill that must come between a complete checkpoint and the commit of its
// transactions in Kafka. It returns the reason why the kill did not come then, or the empty text. For
// all other faults it returns the empty text. A transaction of the checkpoint that was aborted after
// the kill was not committed before it, either: whether its output is lost is for REC-02 to say.
//
// The job makes room for such a kill: it writes no record of the next checkpoint before a checkpoint
// is complete. So a transaction with an older record belongs to the checkpoint.
func afterCommit(h *history.History, fired history.Event, fault faults.Fault) string {
	condition, completes := fault.Moment.Condition.(faults.AtLeast)
	_, kills := fault.Action.(faults.Kill)
	if !h.Header.Scenario.Workload.OnKafka() || !kills || !completes || condition.Event != faults.Completed {
		return ""
	}
	switch complete, committed, pending := h.Commits(fired); {
	case committed > 0:
		return fmt.Sprintf("%s came too late: a transaction was committed before it", fired.Fault)
	case pending == 0:
		return fmt.Sprintf("%s proves nothing: after it no transaction of checkpoint %d ended", fired.Fault, complete.Checkpoint)
	}
	return ""
}
