package faults

import (
	"slices"
	"syscall"
	"time"

	"github.com/snapback/snapback/storage/filesystem"
)

// rule is what an action takes, and when it may be done.
type rule struct {
	action   Action
	family   family
	takes    []argument
	whom     []Process
	moments  []When
	on       []Kind // operations on which it may be done; none: on any
	describe string // {} stands for an argument
	example  Fault  // for the catalogue
}

// family is what an action is done to.
type family int

const (
	processes family = iota
	operations
	connections
	power
)

// argument is something that an action takes.
type argument string

const (
	process   argument = "a process"
	link      argument = "a connection"
	errorName argument = "an error"
	level     argument = "a level"
	state     argument = "the number of a state"
	bytes     argument = "bytes"
	times     argument = "times"
	length    argument = "a time"
	share     argument = "a percentage"
	rate      argument = "kilobytes a second"
)

// The moments of several rules.
var (
	anyTime     = []When{AtOnce, Later, DuringCheckpoint, Before, After, Given}
	byTheClock  = []When{AtOnce, Later, Given}
	inItsPlace  = []When{On}
	everyone    = []Process{TaskManager, JobManager, Cluster}
	oneProcess  = []Process{TaskManager, JobManager}
	connectable = []Process{TaskManager, JobManager, Storage}
)

var rules = []rule{
	{
		action: Kill, takes: []argument{process}, whom: everyone, moments: anyTime,
		describe: "ends {}, as SIGKILL does", example: Fault{Process: TaskManager},
	},
	{
		action: Pause, takes: []argument{process}, whom: oneProcess, moments: anyTime,
		describe: "makes {} stand still, as SIGSTOP does", example: Fault{Process: TaskManager},
	},
	{
		action: Resume, takes: []argument{process}, whom: oneProcess, moments: byTheClock,
		describe: "makes what stands still go on: {}, and its like", example: Fault{Process: TaskManager},
	},
	{
		action: Slow, takes: []argument{process, share}, whom: oneProcess, moments: byTheClock,
		describe: "leaves {} this share of its time: {}", example: Fault{Process: TaskManager, Amount: 10},
	},
	{
		action: Jump, takes: []argument{process, length}, whom: oneProcess, moments: byTheClock,
		describe: "puts the clock of {} forward by {}", example: Fault{Process: JobManager, Amount: int64(time.Hour)},
	},
	{
		action: Drift, takes: []argument{process, share}, whom: oneProcess, moments: byTheClock,
		describe: "makes the clock of {} go at {} of its pace", example: Fault{Process: TaskManager, Amount: 150},
	},
	{
		action: PowerLoss, family: power, takes: []argument{level, state}, moments: []When{AtOnce, Later, Before, After, Given},
		describe: "ends every process, and leaves of storage what is durable and what chance spares, by the {} model: state {}",
		example:  Fault{Detail: string(filesystem.POSIX), Moment: Moment{When: After, Operation: Operation{Kind: Rename, Path: "*/_metadata"}}},
	},
	{
		action: Fail, family: operations, takes: []argument{errorName}, moments: inItsPlace,
		describe: "does not do the operation, which fails with {}", example: Fault{Detail: "EIO", Moment: on(Any, "*/chk-*")},
	},
	{
		action: Drop, family: operations, moments: inItsPlace, on: []Kind{Sync},
		describe: "fails a sync, and forgets what it was to make durable", example: Fault{Moment: on(Sync, "*/chk-*")},
	},
	{
		action: Short, family: operations, takes: []argument{bytes}, moments: inItsPlace, on: []Kind{Write},
		describe: "writes only the first bytes, {}, and fails as a full disk does", example: Fault{Amount: 3, Moment: on(Write, "*/chk-*")},
	},
	{
		action: Flip, family: operations, takes: []argument{bytes}, moments: inItsPlace, on: []Kind{Read, Get},
		describe: "flips a bit of what is read, after so many bytes: {}", example: Fault{Amount: 20, Moment: on(Read, "*/_metadata")},
	},
	{
		action: Truncate, family: operations, takes: []argument{bytes}, moments: inItsPlace, on: []Kind{Read, Get},
		describe: "ends what is read after so many bytes: {}", example: Fault{Amount: 20, Moment: on(Get, "*/_metadata")},
	},
	{
		action: Delay, family: operations, takes: []argument{length}, moments: inItsPlace,
		describe: "does the operation after {}", example: Fault{Amount: int64(50 * time.Millisecond), Moment: on(Sync, "*/chk-*")},
	},
	{
		action: Lose, family: operations, moments: inItsPlace,
		describe: "does the operation, and loses the answer", example: Fault{Moment: on(Put, "*/_metadata")},
	},
	{
		action: Throttle, family: operations, takes: []argument{times}, moments: inItsPlace, on: objectKinds,
		describe: "refuses so many operations as too many, as 503 does: {}", example: Fault{Amount: 3, Moment: on(Put, "*/chk-*")},
	},
	{
		action: Stale, family: operations, moments: inItsPlace, on: []Kind{List},
		describe: "answers a listing without what was made last", example: Fault{Moment: on(List, "*")},
	},
	{
		action: Refuse, family: operations, moments: inItsPlace, on: []Kind{Put},
		describe: "refuses a conditional write, though nobody was there before", example: Fault{Moment: on(Put, "*/_metadata")},
	},
	{
		action: Leave, family: operations, moments: inItsPlace, on: []Kind{Put},
		describe: "leaves an upload uncompleted, and what was uploaded invisible", example: Fault{Moment: on(Put, "*/chk-*")},
	},
	{
		action: Cut, family: connections, takes: []argument{link}, whom: connectable, moments: byTheClock,
		describe: "lets nothing more through from or to the {}, and tells nobody", example: Fault{Process: TaskManager},
	},
	{
		action: Break, family: connections, takes: []argument{link}, whom: connectable, moments: byTheClock,
		describe: "resets the connections of the {}", example: Fault{Process: JobManager},
	},
	{
		action: Lag, family: connections, takes: []argument{link, length}, whom: connectable, moments: byTheClock,
		describe: "delays what goes from or to the {} by {}", example: Fault{Process: Storage, Amount: int64(50 * time.Millisecond)},
	},
	{
		action: Limit, family: connections, takes: []argument{link, rate}, whom: connectable, moments: byTheClock,
		describe: "lets through from or to the {} so many kilobytes a second: {}", example: Fault{Process: TaskManager, Amount: 64},
	},
	{
		action: Heal, family: connections, moments: byTheClock,
		describe: "lets everything through again, on all connections",
	},
}

func on(kind Kind, path string) Moment {
	return Moment{When: On, Operation: Operation{Kind: kind, Path: path}}
}

type namedError struct {
	name  string
	errno syscall.Errno
}

var errorNames = []namedError{
	{"EIO", syscall.EIO}, {"ENOSPC", syscall.ENOSPC}, {"EACCES", syscall.EACCES}, {"EROFS", syscall.EROFS}, {"ETIMEDOUT", syscall.ETIMEDOUT},
}

// Catalogue lists every fault, for each kind of process that it is done to. What is done
// to processes may also be done at another moment, and what is done at an operation at
// any other.
func Catalogue() []Fault {
	var all []Fault
	for _, r := range rules {
		fault := r.example
		fault.Action = r.action
		whom := r.whom
		if len(whom) == 0 {
			whom = []Process{""}
		}
		for _, who := range whom {
			fault.Process = who
			all = append(all, fault)
		}
		if slices.Contains(r.moments, DuringCheckpoint) && r.action == Kill {
			for _, who := range oneProcess {
				during := fault
				during.Process, during.Moment = who, Moment{When: DuringCheckpoint}
				all = append(all, during)
			}
			at := fault
			at.Process, at.Moment = TaskManager, Moment{When: Before, Operation: Operation{Kind: Rename, Path: "*/_metadata"}}
			all = append(all, at)
		}
	}
	return all
}
