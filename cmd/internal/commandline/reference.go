package commandline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/reference"
	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/job"
	"github.com/snapback/snapback/reference/live"
	"github.com/snapback/snapback/reference/live/etcd"
	"github.com/snapback/snapback/reference/operators"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem/place"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

// statusEvery is how often a running job is asked after.
const statusEvery = 200 * time.Millisecond

// savepointTimeout bounds how long a savepoint is waited for.
const savepointTimeout = 10 * time.Minute

func referenceCommand(heavy *Heavy) *cobra.Command {
	command := &cobra.Command{
		Use:   "reference",
		Short: "Run the reference engine as processes",
		Example: "  snapback reference jobmanager --listen 127.0.0.1:6123\n" +
			"  snapback reference taskmanager --jobmanager 127.0.0.1:6123 --slots 2\n" +
			"  snapback reference run --jobmanager 127.0.0.1:6123 --checkpoint-dir file:///tmp/checkpoints --dir /tmp/out counts\n" +
			"  snapback reference run -s /tmp/checkpoints/JOB/chk-7 --jobmanager 127.0.0.1:6123 --checkpoint-dir file:///tmp/checkpoints --dir /tmp/out2 counts",
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(jobManagerCommand(), taskManagerCommand(), etcdCommand(heavy), referenceRunCommand(), stopCommand(), savepointCommand(), checkpointCommand(),
		checkpointsCommand(), suspendCommand())
	return command
}

func listenFlag(command *cobra.Command) *string {
	return command.Flags().String("listen", "127.0.0.1:0", "`host:port` to listen at; port 0 takes a free one")
}

func listen(address string, log io.Writer) (*live.Process, error) {
	process, err := live.Listen(address, schemes.At(place.FromEnvironment()), log)
	if err != nil {
		return nil, harness.Usagef("listen at %s: %w", address, err)
	}
	return process, nil
}

// serve runs a process that has no end of its own until a signal comes.
func serve(command *cobra.Command, process *live.Process, task string, main func(environment.Environment)) error {
	go process.Run(task, func(env environment.Environment) {
		env.Log(environment.Record{Event: protocol.EventListening, Path: process.Address()})
		main(env)
	})
	<-command.Context().Done()
	return nil
}

func haFlag(command *cobra.Command) *[]string {
	return command.Flags().StringSlice("ha", nil, "endpoint `URLs` of the etcd that keeps what must outlive a JobManager, as in http://127.0.0.1:2379; see: snapback reference etcd")
}

// useStore connects a process to the highly available store, if one is given.
func useStore(process *live.Process, endpoints []string) error {
	if len(endpoints) == 0 {
		return nil
	}
	store, err := etcd.Connect(endpoints)
	if err != nil {
		return harness.Usagef("--ha: %w", err)
	}
	process.UseStore(store)
	return nil
}

func etcdCommand(heavy *Heavy) *cobra.Command {
	command := &cobra.Command{
		Use:     "etcd",
		Short:   "Run an etcd of one member for JobManagers that take turns, where there is no other",
		Example: "  snapback reference etcd --listen 127.0.0.1:2379 --dir /tmp/etcd",
		Args:    noArguments,
	}
	address := command.Flags().String("listen", "127.0.0.1:2379", "`host:port` to listen at; port 0 takes a free one")
	dir := command.Flags().String("dir", "", "`path` of a directory for its data")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if *dir == "" {
			return harness.Usagef("--dir: want a directory for the data of etcd, got nothing")
		}
		if heavy == nil {
			return handOver("an etcd of snapback's own")
		}
		at, stop, err := heavy.Etcd(*address, *dir)
		if err != nil {
			return harness.Usagef("listen at %s: %w", *address, err)
		}
		defer stop()
		listening := environment.Record{Event: protocol.EventListening, Path: at}
		if err := json.NewEncoder(command.OutOrStdout()).Encode(listening); err != nil {
			return err
		}
		<-command.Context().Done()
		return nil
	}
	return command
}

func jobManagerCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "jobmanager",
		Short: "Run a JobManager until it is killed",
		Example: "  snapback reference jobmanager --listen 127.0.0.1:6123 --retained 3\n" +
			"  snapback reference jobmanager --listen 127.0.0.1:6124 --ha http://127.0.0.1:2379\n" +
			"  snapback reference jobmanager --config /opt/flink/conf -D execution.checkpointing.dir=hdfs://namenode:8020/checkpoints",
		Args: noArguments,
	}
	address := listenFlag(command)
	config := configFlag(command)
	ha := haFlag(command)
	retained := command.Flags().Int("retained", 1, "completed checkpoints to keep of each job; short for -D "+configuration.NumRetained.Key)
	own := keysFlag(command, "of the cluster")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if *retained < 1 {
			return harness.Usagef("--retained: want 1 or more, got %d", *retained)
		}
		cluster, err := loadConfiguration(*config)
		if err != nil {
			return err
		}
		if command.Flags().Changed("retained") {
			cluster[configuration.NumRetained.Key] = strconv.Itoa(*retained)
		}
		if err := setKeys(cluster, *own); err != nil {
			return err
		}
		process, err := listen(*address, os.Stdout)
		if err != nil {
			return err
		}
		if err := useStore(process, *ha); err != nil {
			return err
		}
		return serve(command, process, reference.JobManagerTask, func(env environment.Environment) {
			reference.JobManager(env, cluster)
		})
	}
	return command
}

func configFlag(command *cobra.Command) *string {
	return command.Flags().String("config", "", "`directory` with Flink's config.yaml or flink-conf.yaml")
}

func loadConfiguration(dir string) (configuration.Configuration, error) {
	if dir == "" {
		return configuration.Configuration{}, nil
	}
	loaded, err := configuration.Load(dir)
	if err != nil {
		return nil, harness.Usagef("--config: %w", err)
	}
	return loaded, nil
}

func keysFlag(command *cobra.Command, of string) *[]string {
	return command.Flags().StringArrayP("define", "D", nil, "`key=value` of the configuration "+of+"; may be given several times")
}

// setKeys puts what was given as key=value over a configuration.
func setKeys(c configuration.Configuration, given []string) error {
	for _, text := range given {
		key, value, found := strings.Cut(text, "=")
		if !found || key == "" {
			return harness.Usagef("-D: want key=value, got %q", text)
		}
		c[key] = value
	}
	return nil
}

func jobManagerFlag(command *cobra.Command) *string {
	return command.Flags().String("jobmanager", "", "`host:port` of the JobManager")
}

func jobManagerAt(address string) (environment.Address, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return environment.Address{}, harness.Usagef("--jobmanager: want host:port, got %q", address)
	}
	return environment.Address{Process: address, Task: reference.JobManagerTask}, nil
}

func taskManagerCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "taskmanager",
		Short:   "Run a TaskManager until it is killed",
		Example: "  snapback reference taskmanager --jobmanager 127.0.0.1:6123 --slots 2",
		Args:    noArguments,
	}
	address, jobManager := listenFlag(command), jobManagerFlag(command)
	ha := haFlag(command)
	slots := command.Flags().Int("slots", 1, "slots to offer")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if *slots < 1 {
			return harness.Usagef("--slots: want 1 or more, got %d", *slots)
		}
		var to environment.Address
		var err error
		if len(*ha) == 0 {
			to, err = jobManagerAt(*jobManager)
		}
		if err != nil {
			return err
		}
		process, err := listen(*address, os.Stdout)
		if err != nil {
			return err
		}
		if err := useStore(process, *ha); err != nil {
			return err
		}
		return serve(command, process, "taskmanager", func(env environment.Environment) {
			reference.TaskManager(env, to, *slots)
		})
	}
	return command
}

func referenceRunCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "run [flags] WORKLOAD",
		Short: "Submit a job, from the beginning or from a checkpoint, and wait for its end",
		Long: "Submits a job and waits for its end. Ctrl-C cancels it.\nThe workloads are " + strings.Join(operators.Workloads(), ", ") +
			"; see docs/workloads.md.\nEverything about checkpoints, restarts and recovery can be given as Flink's keys, with -D or in --config.",
		Example: "  snapback reference run --jobmanager 127.0.0.1:6123 --checkpoint-dir file:///tmp/checkpoints --dir /tmp/out counts\n" +
			"  snapback reference run -s /tmp/checkpoints/JOB/chk-7 -p 3 --jobmanager 127.0.0.1:6123 --checkpoint-dir file:///tmp/checkpoints --dir /tmp/out2 counts\n" +
			"  snapback reference run -D execution.checkpointing.unaligned.enabled=true -D execution.checkpointing.incremental=true … growing",
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 || !slices.Contains(operators.Workloads(), arguments[0]) {
				return harness.Usagef("want one workload of %v, got %q", operators.Workloads(), arguments)
			}
			return nil
		},
	}
	flags := command.Flags()
	jobManager := jobManagerFlag(command)
	j := job.Defaults()
	retention := flags.String("retention", string(j.Checkpoints.Retention), fmt.Sprintf("what becomes of checkpoints at the end: one of %v", storage.Retentions()))
	claimMode := flags.String("claim-mode", string(j.Restore.ClaimMode), fmt.Sprintf("who owns the checkpoint that is resumed from: one of %v", storage.ClaimModes()))
	config := configFlag(command)
	checkpointDir := flags.String("checkpoint-dir", "", "`URL` of the checkpoint directory, as in file:///tmp/checkpoints; short for -D "+configuration.Dir.Key)
	own := keysFlag(command, "of this job")
	flags.StringVar(&j.ID, "job-id", "", "32 hexadecimal digits; random if not given")
	flags.StringVarP(&j.Restore.Path, "from-savepoint", "s", "", "`path` or URL of the checkpoint or savepoint to resume from: a chk-N directory or its _metadata")
	flags.BoolVarP(&j.Restore.AllowNonRestored, "allow-non-restored-state", "n", false, "leave behind state of operators that the job has not")
	flags.IntVarP(&j.Parallelism, "parallelism", "p", 2, "subtasks of each operator, and slots needed")
	flags.IntVar(&j.ParallelismMax, "max-parallelism", 0, "key groups; what the checkpoint has, else Flink's default, if not given")
	flags.DurationVar(&j.Checkpoints.Interval, "interval", time.Second, "time between checkpoints")
	flags.DurationVar(&j.Checkpoints.Timeout, "checkpoint-timeout", 10*time.Minute, "time after which a checkpoint is given up")
	restarts := flags.Int("restarts", 3, "how often a failed job is restarted; other strategies with -D "+configuration.RestartKind.Key)
	w := &j.Workload
	flags.StringVar(&w.Dir, "dir", "", "`path` of a directory for the output; absolute")
	flags.Int64Var(&w.Seed, "workload-seed", 42, "what the input is computed from")
	flags.IntVar(&w.Splits, "splits", 2, "splits of the input")
	flags.IntVar(&w.Records, "records", 10000, "records of each split")
	flags.IntVar(&w.Keys, "keys", 32, "keys")
	flags.DurationVar(&w.Pause, "pause", time.Millisecond, "pause of a source after each record")
	flags.DurationVar(&w.Snapshot, "snapshot", 0, "time that a snapshot of the stateful operator takes at least")
	flags.DurationVar(&w.Slow, "slow", 0, "time that the stateful operator takes for a record; not of workload counts (backpressure: 1ms, if not given)")
	flags.IntVar(&w.Payload, "payload", 1000, "bytes that a record adds to the state of workload growing")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		to, err := jobManagerAt(*jobManager)
		if err != nil {
			return err
		}
		w.Name = arguments[0]
		if w.Name == workload.Backpressure && !flags.Changed("slow") {
			w.Slow = time.Millisecond
		}
		j.Restart = job.RestartStrategy{Kind: job.FixedDelay, Attempts: *restarts}
		given := j // flags count more than keys
		if j.Configuration, err = loadConfiguration(*config); err != nil {
			return err
		}
		if *checkpointDir != "" {
			j.Configuration[configuration.Dir.Key] = *checkpointDir
		}
		if err := setKeys(j.Configuration, *own); err != nil {
			return err
		}
		if err := j.Configure(); err != nil {
			return &harness.UsageError{Err: err}
		}
		for flag, take := range map[string]func(){
			"interval":                 func() { j.Checkpoints.Interval = given.Checkpoints.Interval },
			"checkpoint-timeout":       func() { j.Checkpoints.Timeout = given.Checkpoints.Timeout },
			"retention":                func() { j.Checkpoints.Retention = storage.Retention(*retention) },
			"claim-mode":               func() { j.Restore.ClaimMode = storage.ClaimMode(*claimMode) },
			"from-savepoint":           func() { j.Restore.Path = given.Restore.Path },
			"allow-non-restored-state": func() { j.Restore.AllowNonRestored = given.Restore.AllowNonRestored },
			"max-parallelism":          func() { j.ParallelismMax = given.ParallelismMax },
			"restarts":                 func() { j.Restart = given.Restart },
		} {
			if flags.Changed(flag) {
				take()
			}
		}
		for _, key := range configuration.Ignored(j.Configuration) {
			_, _ = fmt.Fprintf(command.ErrOrStderr(), "snapback: %s counts only in the configuration of the cluster; here it is ignored\n", key)
		}
		return submitAndWait(command, to, j)
	}
	return command
}

func stopCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "stop [flags] JOB",
		Short:   "Stop a job with a savepoint, and print its path",
		Example: "  snapback reference stop --jobmanager 127.0.0.1:6123 --savepoint-dir file:///tmp/savepoints JOB",
	}
	dir := savepointDirFlag(command)
	drain := command.Flags().Bool("drain", false, "end the input first: event time comes to its end, and what is open is put out")
	return asking(command, func(client reference.Client, id string) (string, error) {
		stop := protocol.Suspend
		if *drain {
			stop = protocol.Drain
		}
		return client.Savepoint(id, *dir, stop, savepointTimeout)
	})
}

func savepointCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "savepoint [flags] JOB",
		Short:   "Take a savepoint of a job that goes on, and print its path",
		Example: "  snapback reference savepoint --jobmanager 127.0.0.1:6123 --savepoint-dir file:///tmp/savepoints JOB",
	}
	dir := savepointDirFlag(command)
	return asking(command, func(client reference.Client, id string) (string, error) {
		return client.Savepoint(id, *dir, protocol.GoOn, savepointTimeout)
	})
}

func savepointDirFlag(command *cobra.Command) *string {
	return command.Flags().String("savepoint-dir", "", "`URL` of the directory for the savepoint; "+configuration.SavepointDir.Key+" of the cluster if not given")
}

func checkpointCommand() *cobra.Command {
	return asking(&cobra.Command{
		Use:     "checkpoint [flags] JOB",
		Short:   "Take a checkpoint of a job now, and print its id",
		Example: "  snapback reference checkpoint --jobmanager 127.0.0.1:6123 JOB",
	}, func(client reference.Client, id string) (string, error) {
		taken, err := client.Checkpoint(id, savepointTimeout)
		return strconv.FormatInt(taken, 10), err
	})
}

func checkpointsCommand() *cobra.Command {
	return asking(&cobra.Command{
		Use:     "checkpoints [flags] JOB",
		Short:   "Print what became of a job's checkpoints",
		Example: "  snapback reference checkpoints --jobmanager 127.0.0.1:6123 JOB",
	}, func(client reference.Client, id string) (string, error) {
		s, err := client.Checkpoints(id)
		if err != nil {
			return "", err
		}
		text := &strings.Builder{}
		_, _ = fmt.Fprintf(text, "triggered %d, completed %d, failed %d, in progress %d, last restored %d", s.Triggered, s.Completed, s.Failed, s.InProgress, s.Restored)
		for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
			_, _ = fmt.Fprintf(text, "\n  failed %d times: %s", s.Reasons[reason], reason)
		}
		for _, c := range s.Latest {
			_, _ = fmt.Fprintf(text, "\n  %d: %s, %d bytes, of which %d in flight: %s", c.ID, c.Took.Round(time.Microsecond), c.Bytes, c.InFlight, c.Path)
		}
		return text.String(), nil
	})
}

func suspendCommand() *cobra.Command {
	return asking(&cobra.Command{
		Use:     "suspend [flags] JOB",
		Short:   "Give a job up without ending it for good, as a JobManager does that shuts down",
		Example: "  snapback reference suspend --jobmanager 127.0.0.1:6123 JOB",
	}, func(client reference.Client, id string) (string, error) {
		return "job " + id + " is being suspended", client.Suspend(id)
	})
}

// asking makes a command of a question about one job.
func asking(command *cobra.Command, question func(reference.Client, string) (string, error)) *cobra.Command {
	jobManager := jobManagerFlag(command)
	command.Args = func(_ *cobra.Command, arguments []string) error {
		if len(arguments) != 1 {
			return harness.Usagef("%s: want the id of one job, got %q", command.CommandPath(), arguments)
		}
		return nil
	}
	command.RunE = func(command *cobra.Command, arguments []string) error {
		to, err := jobManagerAt(*jobManager)
		if err != nil {
			return err
		}
		c, err := newClient(to)
		if err != nil {
			return err
		}
		defer c.process.Close()
		var answer string
		err = c.ask(func(client reference.Client) (err error) {
			answer, err = question(client, arguments[0])
			return err
		})
		var refused *reference.RefusedError
		if errors.As(err, &refused) {
			return harness.Usagef("refused: %w", err)
		}
		if err == nil {
			_, _ = fmt.Fprintln(command.OutOrStdout(), answer)
		}
		return err
	}
	return command
}

// client asks a JobManager, one question after the other.
type client struct {
	process *live.Process
	to      environment.Address
	calls   int
}

func newClient(to environment.Address) (*client, error) {
	process, err := listen("127.0.0.1:0", io.Discard)
	return &client{process: process, to: to}, err
}

func (c *client) ask(question func(reference.Client) error) error {
	var answer error
	c.calls++
	c.process.Run(fmt.Sprintf("client-%d", c.calls), func(env environment.Environment) {
		answer = question(reference.Client{Env: env, JobManager: c.to})
	})
	return answer
}

// submitAndWait is a client for the length of one job.
func submitAndWait(command *cobra.Command, to environment.Address, j job.Job) error {
	c, err := newClient(to)
	if err != nil {
		return err
	}
	defer c.process.Close()
	ask := c.ask
	err = ask(func(client reference.Client) error {
		if j.ID == "" {
			j.ID = environment.NewID(client.Env)
		}
		return client.Submit(j)
	})
	var refused *reference.RefusedError
	if errors.As(err, &refused) {
		return harness.Usagef("the job was refused, and nothing was changed: %w", err)
	}
	if err != nil {
		return err
	}
	out := command.OutOrStdout()
	_, _ = fmt.Fprintf(out, "job %s is submitted\n", j.ID)
	canceled := false
	var told storage.JobStatus
	for {
		if command.Context().Err() != nil && !canceled {
			canceled = true
			if err := ask(func(client reference.Client) error { return client.Cancel(j.ID) }); err != nil {
				return fmt.Errorf("cancel job %s: %w", j.ID, err)
			}
		}
		var status storage.JobStatus
		var cause string
		err := ask(func(client reference.Client) (err error) {
			status, cause, err = client.Status(j.ID)
			return err
		})
		if err != nil {
			return err
		}
		if status != told {
			_, _ = fmt.Fprintf(out, "job %s is %s\n", j.ID, status)
			told = status
		}
		if status.Terminal() {
			if status == storage.Failed {
				_, _ = fmt.Fprintln(command.ErrOrStderr(), "snapback: the job failed:", cause)
				return &verdictError{oracle.Fail}
			}
			return nil
		}
		time.Sleep(statusEvery)
	}
}
