package commandline

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
)

// crashScenario is the scenario that the command crash runs if the user names none.
const crashScenario = "durability/checkpoints"

type crashOptions struct {
	level     string
	states    int
	again     int
	time      time.Duration
	seed      uint64
	parallel  int
	timeout   time.Duration
	storage   string
	kill      string
	steps     bool
	every     int
	backend   string
	unaligned bool
	target    runOptions
	cases     string
	format    string
	quiet     bool
}

func crashCommand() *cobra.Command {
	var o crashOptions
	command := &cobra.Command{
		Use:   "crash [flags] [SCENARIO]",
		Short: "Simulate a power loss after every operation on storage",
		Long: "Runs a scenario on the simulated reference. After each operation that changes storage, it visits the\n" +
			"states in which a power loss could leave storage. From each new state it recovers the jobs, runs them\n" +
			"to their end, and judges the result. It stops at the first failure, makes it smaller, and saves it.\n\n" +
			"With --kill it kills a process instead, before and after each operation of a checkpoint. This also\n" +
			"works with real Flink: its checkpoints then pass through a mount, which needs /dev/fuse and root.",
		Example: "  snapback crash\n" +
			"  snapback crash --kill taskmanager --target flink --runtime minicluster --backend incremental\n" +
			"  snapback crash --level ordered --states 1000 recovery/stop-and-resume\n" +
			"  snapback crash --again 50 --time 10m my-scenario.yaml",
		ValidArgsFunction: completeScenarios,
		RunE: func(command *cobra.Command, arguments []string) error {
			o.target.versionGiven = command.Flags().Changed("flink-version")
			if o.kill != "" {
				return sweep(command, o, arguments)
			}
			return crash(command, o, arguments)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.level, "level", string(filesystem.POSIX), "order in which changes survive a power loss: posix (no order), or ordered (their own order, as in a journal)")
	flags.IntVar(&o.states, "states", 32, "number of states to visit after each operation; if there are more, they are drawn at random")
	flags.IntVar(&o.again, "again", 0, "in one of `N` recoveries, lose the power again after each operation (0: in none)")
	flags.DurationVar(&o.time, "time", 0, "how long to visit states (default: until all are visited)")
	flags.Uint64Var(&o.seed, "seed", 5, "number that decides all random choices")
	flags.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "number of recoveries to run at a time")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "wall-clock limit for one recovery")
	flags.StringVar(&o.storage, "storage", "", "storage to simulate: jobmanager, or a `URL`; every scheme except file means an object store")
	flags.StringVar(&o.cases, "cases", filepath.Join(runsDir, "cases"), "`path` of the directory for failed cases")
	flags.StringVar(&o.format, "format", "human", "human or json")
	flags.BoolVar(&o.quiet, "quiet", false, "print no progress")
	flags.StringVar(&o.kill, "kill", "", "kill this `process` at each operation: taskmanager, jobmanager or task; with task, the operation fails instead, and the command is fastest")
	flags.BoolVar(&o.steps, "steps", false, "with --kill, take the scenario's steps, too: savepoints, stops, claims; this needs one run for each operation")
	flags.IntVar(&o.every, "every", 1, "visit the states after one of `N` operations; with --kill, kill at one of N operations")
	flags.StringVar(&o.backend, "backend", "", "with --kill, the state backend: full, incremental or changelog")
	flags.BoolVar(&o.unaligned, "unaligned", false, "with --kill, take unaligned checkpoints")
	flags.StringVar(&o.target.target, "target", reference.Name, "with --kill, what to test: reference or flink")
	flags.StringVar(&o.target.runtime, "runtime", "", "with --kill, how the target runs: simulated (reference) or minicluster (flink)")
	flags.StringVar(&o.target.flinkVersion, "flink-version", flink.DefaultVersion, "with --kill, version of Apache Flink to install and test")
	registerCompletion(command, "kill", "task", "taskmanager", "jobmanager")
	registerCompletion(command, "level", "posix", "ordered")
	registerCompletion(command, "format", "human", "json")
	return command
}

func (o crashOptions) validate() error {
	switch {
	case !slices.Contains(filesystem.Levels(), filesystem.Level(o.level)):
		return harness.Usagef("--level: want posix or ordered, got %q", o.level)
	case o.states < 1 || o.again < 0 || o.parallel < 1:
		return harness.Usagef("--states, --again and --parallel: want at least 1, 0 and 1, got %d, %d and %d", o.states, o.again, o.parallel)
	case o.time < 0:
		return harness.Usagef("--time: want more than 0, got %s", o.time)
	case o.timeout <= 0:
		return harness.Usagef("--timeout: want more than 0, got %s", o.timeout)
	}
	return checkFormat(o.format)
}

func crash(command *cobra.Command, o crashOptions, arguments []string) error {
	if err := o.validate(); err != nil {
		return err
	}
	s, err := chooseOne("crash", arguments, crashScenario)
	if err != nil {
		return err
	}
	target, err := simulatedOn(o.storage)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(command.Context())
	defer stop()
	if o.time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.time)
		defer cancel()
	}
	progress := command.ErrOrStderr()
	if o.quiet {
		progress = io.Discard
	}
	_, _ = fmt.Fprintf(progress, "snapback %s on %s; target %s; %s; level %s; seed %d\n", version(), runtime.Version(), target.Describe(), s.Name, o.level, o.seed)

	crashes := explore.CrashPoints{
		Target: target, Seed: o.seed, Model: run.PowerLossModel(filesystem.Level(o.level)), StatesMax: o.states, Every: o.every, AgainIn: o.again,
		Timeout: o.timeout, Parallel: o.parallel,
	}
	began, said, recoveries := time.Now(), time.Now(), 0
	var failed *explore.Case
	points, err := crashes.Run(ctx, s, func(result run.Result, again scenarios.Scenario) {
		recoveries++
		if failing(result.Verdict) && failed == nil {
			this := failure(result, again)
			failed = &this
			stop()
		}
		if time.Since(said) > exploreSays {
			said = time.Now()
			_, _ = fmt.Fprintf(progress, "%d recoveries, %.0f/s\n", recoveries, float64(recoveries)/time.Since(began).Seconds())
		}
	})
	if err != nil {
		return err
	}
	visited := visitedOf(o, s.Name, points, recoveries, time.Since(began))
	visited.Interrupted = ctx.Err() != nil && failed == nil
	out := command.OutOrStdout()
	if failed != nil {
		if err := save(command.Context(), out, progress, target, *failed, o.cases, o.timeout); err != nil {
			return err
		}
	}
	if o.format == "json" {
		if err := writeJSON(out, visited); err != nil {
			return err
		}
	} else if err := visited.print(out); err != nil {
		return err
	}
	return visited.verdict(failed)
}

// visitedPhase counts what the command crash visited in one phase of a checkpoint, such as the
// writing of state, over all checkpoints. A crash point is the moment after an operation on
// storage.
type visitedPhase struct {
	Phase    string  `json:"phase"`
	Points   int     `json:"points"`
	Whole    int     `json:"whole"`    // number of crash points at which the command visited every state
	States   float64 `json:"states"`   // number of states that a power loss could leave; an estimate unless the command visited every state
	Visited  int     `json:"visited"`  // number of states that the command visited
	Distinct int     `json:"distinct"` // number of different states among the visited ones; the command recovered the jobs from each
	Bad      int     `json:"bad"`      // number of different states from which the recovery did not pass
}

func (v *visitedPhase) add(p *explore.CrashPoint) {
	v.Points++
	if p.All {
		v.Whole++
	}
	v.States += p.States
	v.Visited += p.Visited
	v.Distinct += p.Distinct
	v.Bad += p.Bad
}

type visited struct {
	Schema      string         `json:"schema"`
	Scenario    string         `json:"scenario"`
	Level       string         `json:"level"`
	Seed        uint64         `json:"seed"`
	Interrupted bool           `json:"interrupted,omitempty"`
	Recoveries  int            `json:"recoveries"`
	Took        time.Duration  `json:"took_ns"`
	Phases      []visitedPhase `json:"phases"`
	All         visitedPhase   `json:"all"`
}

func visitedOf(o crashOptions, scenario string, points []*explore.CrashPoint, recoveries int, took time.Duration) *visited {
	v := &visited{Schema: crashSchema, Scenario: scenario, Level: o.level, Seed: o.seed, Recoveries: recoveries, Took: took, All: visitedPhase{Phase: "all"}}
	phases := map[faults.Phase]*visitedPhase{}
	for _, p := range points {
		if phases[p.Phase] == nil {
			phases[p.Phase] = &visitedPhase{Phase: string(p.Phase)}
		}
		phases[p.Phase].add(p)
		v.All.add(p)
	}
	for _, phase := range slices.Sorted(maps.Keys(phases)) {
		if phase == "" {
			phases[phase].Phase = "(other)"
		}
		v.Phases = append(v.Phases, *phases[phase])
	}
	return v
}

func (v *visited) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "phase\tcrash points\twhole\tstates\tvisited\tdistinct\tbad\t") // the call of Flush returns the error
	for _, p := range append(slices.Clone(v.Phases), v.All) {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%d\t%d\t%d\t\n", p.Phase, p.Points, p.Whole, about(p), p.Visited, p.Distinct, p.Bad)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	end := "DONE"
	if v.Interrupted {
		end = "INTERRUPTED"
	}
	_, err := fmt.Fprintf(out, "%s %d crash points, %d of them whole; %d distinct states visited, %d bad; %d recoveries in %.1fs (level %s, seed %d)\n",
		end, v.All.Points, v.All.Whole, v.All.Distinct, v.All.Bad, v.Recoveries, v.Took.Seconds(), v.Level, v.Seed)
	return err
}

// about returns the number of states as text. The sign ~ marks an estimate.
func about(p visitedPhase) string {
	text := strings.TrimSuffix(fmt.Sprintf("%.4g", p.States), ".")
	if p.Whole < p.Points {
		return "~" + text
	}
	return text
}

func (v *visited) verdict(failed *explore.Case) error {
	switch {
	case failed != nil:
		return &verdictError{failed.Verdict}
	case v.All.Distinct == 0:
		return &verdictError{oracle.Void}
	}
	return nil
}
