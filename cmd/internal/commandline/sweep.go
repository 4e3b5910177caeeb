package commandline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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
	"github.com/snapback/snapback/harness/report"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

// sweepScenario is the scenario that crash --kill runs if the user names none.
const sweepScenario = "durability/operations"

// sweepTimeout is the longest time that a whole sweep may last.
const sweepTimeout = 30 * time.Minute

// swept is the document that crash --kill prints as JSON.
type swept struct {
	Schema     string          `json:"schema"`
	Result     run.Result      `json:"result"`
	Operations []explore.Swept `json:"operations"`
}

func sweep(command *cobra.Command, o crashOptions, arguments []string) error {
	if !slices.Contains([]string{string(explore.Task), string(faults.TaskManager), string(faults.JobManager)}, o.kill) {
		return harness.Usagef("--kill: want task, taskmanager or jobmanager, got %q", o.kill)
	}
	if o.every < 1 {
		return harness.Usagef("--every: want 1 or more, got %d", o.every)
	}
	switch at := o.target.target + " " + o.target.runtime; at {
	case reference.Name + " ", reference.Name + " simulated", flink.Name + " " + flink.MiniclusterRuntime:
	default:
		return harness.Usagef("--target and --runtime: want reference (simulated) or flink (%s), whose operations on storage --kill can see, got %s", flink.MiniclusterRuntime, at)
	}
	if err := checkFormat(o.format); err != nil {
		return err
	}
	s, err := chooseOne("crash", arguments, sweepScenario)
	if err != nil {
		return err
	}
	if _, ok := scenarios.ParseBackend(o.backend); !ok && o.backend != "" {
		return harness.Usagef("--backend: want one of %v, got %q", scenarios.BackendNames(), o.backend)
	}
	if o.steps && o.kill == string(faults.JobManager) && s.Cluster.JobManagers == 0 {
		return harness.Usagef("--steps: without high availability no job comes back after the kill of a JobManager; want a scenario with cluster.jobManagers, got %s", s.Name)
	}
	if command.Flags().Changed("backend") || !o.steps {
		s.Job.Backend = o.backend
	}
	s.Job.Unaligned = o.unaligned || o.steps && s.Job.Unaligned
	o.target.seed, o.target.timeout = o.seed, o.timeout
	dir, err := claimRunDir(o.target)
	if err != nil {
		return err
	}
	progress := newProgress(command.ErrOrStderr(), false, o.quiet)
	target, err := newTarget(command.Context(), o.target, progress.say)
	if err != nil {
		unclaim(dir)
		return err
	}
	progress.line(fmt.Sprintf("snapback %s on %s; target %s; %s; seed %d; %s", version(), runtime.Version(), target.Describe(), s.Name, o.seed, dir))
	operations, result, err := sweepAll(command.Context(), o, s, target, dir, func(one explore.Swept) {
		progress.say(fmt.Sprintf("%s %s: restored from checkpoint %d in %s", one.Fault, one.Operation, one.Restored, one.Took.Round(time.Millisecond)))
	})
	if err != nil {
		return err
	}
	out := command.OutOrStdout()
	if o.format == "json" {
		if err := writeJSON(out, swept{sweepSchema, result, operations}); err != nil {
			return err
		}
	} else if err := printSwept(out, result, operations); err != nil {
		return err
	}
	if result.Verdict != oracle.Pass {
		return &verdictError{result.Verdict}
	}
	return nil
}

// sweepAll sweeps the checkpoints of one cluster, or with --steps the whole scenario. On Flink the
// runs of a scenario share a JVM.
func sweepAll(ctx context.Context, o crashOptions, s scenarios.Scenario, on target.Target, dir string, done func(explore.Swept)) (_ []explore.Swept, _ run.Result, err error) {
	if o.steps {
		on, end, err := pooled(on, filepath.Join(dir, jvmsDir))
		if err != nil {
			return nil, run.Result{}, err
		}
		defer func() { err = errors.Join(err, end()) }()
		all := explore.StepSweep{Target: on, Seed: o.seed, Dir: dir, Kill: faults.Process(o.kill), Every: o.every, Timeout: o.timeout}
		return all.Run(ctx, s, done)
	}
	file, err := os.Create(filepath.Join(dir, run.HistoryName))
	if err != nil {
		return nil, run.Result{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	all := explore.Sweep{Target: on, Seed: o.seed, Dir: dir, History: file, Kill: faults.Process(o.kill), Every: o.every, Timeout: sweepTimeout}
	return all.Run(ctx, s, done)
}

func printSwept(out io.Writer, result run.Result, operations []explore.Swept) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "phase\tkilled\tin checkpoint\trestored from\tran again after\tverdict") // Flush reports errors
	count := map[oracle.Verdict]int{}
	for _, one := range operations {
		count[one.Verdict]++
		fault, err := faults.Parse(one.Fault)
		if err != nil {
			return err
		}
		kind, name, _ := strings.Cut(one.Operation, " ")
		_, _ = fmt.Fprintf(table, "%s\t%s %s %s\t%d\t%d\t%s\t%s\n", one.Phase, strings.ToLower(string(fault.Moment.When)), kind, shorten(name), one.Checkpoint, one.Restored, one.Took.Round(time.Millisecond), one.Verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range result.Findings {
		_, _ = fmt.Fprintf(out, "%s: %s\n  expected: %s\n  found:    %s\n", f.Requirement, f.Problem, f.Expected, f.Found)
	}
	if result.Reason != "" {
		_, _ = fmt.Fprintln(out, result.Reason)
	}
	_, err := fmt.Fprintf(out, "DONE %s: %d pass, %d fail, %d void; %s, %d lost, %d doubled; all of it %s in %.1fs (seed %d)\n",
		report.Count(len(operations), "kill"), count[oracle.Pass], count[oracle.Fail], count[oracle.Void], report.Count(result.Numbers.Records, "record"), result.Numbers.Lost, result.Numbers.Doubled,
		result.Verdict, result.Took.Seconds(), result.Seed)
	return err
}

// shorten makes the paths of an operation shorter. It keeps the last two elements of each path, and
// the first characters of a long file name.
func shorten(names string) string {
	var short []string
	for name := range strings.SplitSeq(names, " to ") {
		elements := strings.Split(name, "/")
		elements = elements[max(0, len(elements)-2):]
		last := elements[len(elements)-1]
		if len(last) > len("._metadata.inprogress") {
			elements[len(elements)-1] = last[:8] + "…"
		}
		short = append(short, strings.Join(elements, "/"))
	}
	return strings.Join(short, " to ")
}
