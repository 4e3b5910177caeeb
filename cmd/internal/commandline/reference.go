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
	"github.com/spf13/pflag"

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

// statusEvery is the time between two requests for the status of a running job.
const statusEvery = 200 * time.Millisecond

// savepointTimeout limits the wait for a savepoint or a checkpoint.
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

// serve runs main(), such as the main function of a JobManager, as a task of a process until this
// program gets a signal that ends it.
func serve(command *cobra.Command, process *live.Process, task string, main func(environment.Environment)) error {
	go process.Run(task, func(env environment.Environment) {
		env.Log(environment.Record{Event: protocol.EventListening, Path: process.Address()})
		main(env)
	})
	<-command.Context().Done()
	return nil
}

func haFlag(command *cobra.Command) *[]string {
	return command.Flags().StringSlice("ha", nil, "`URLs` of the etcd that makes the JobManager highly available, such as http://127.0.0.1:2379; see: snapback reference etcd")
}

// useStore connects a process to the highly available store, unless endpoints is empty.
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
		Short:   "Run an etcd with one member, for JobManagers with high availability",
		Example: "  snapback reference etcd --listen 127.0.0.1:2379 --dir /tmp/etcd",
		Args:    noArguments,
	}
	address := command.Flags().String("listen", "127.0.0.1:2379", "`host:port` to listen at; port 0 takes a free one")
	dir := command.Flags().String("dir", "", "`path` of the directory for its data")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if *dir == "" {
			return harness.Usagef("--dir: want the path of a directory for the data of etcd, got nothing")
		}
		if heavy == nil {
			return handOver("reference etcd")
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
	retained := command.Flags().Int("retained", 1, "number of completed checkpoints to keep for each job; short for -D "+configuration.NumRetained.Key)
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
	return command.Flags().StringArrayP("define", "D", nil, "`key=value` for the configuration "+of+"; may be repeated")
}

// setKeys sets the given pairs key=value in a configuration.
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
	slots := command.Flags().Int("slots", 1, "number of slots to offer")
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
		Short: "Submit a new job, or resume one from a checkpoint, and wait for its end",
		Long: "Submits a job and waits for its end. Ctrl-C cancels the job.\nThe workloads are " + strings.Join(operators.Workloads(), ", ") +
			"; see docs/workloads.md.\nAll of Flink's configuration keys for checkpoints, restarts and recovery can be set with -D or --config.",
		Example: "  snapback reference run --jobmanager 127.0.0.1:6123 --checkpoint-dir file:///tmp/checkpoints --dir /tmp/out counts\n" +
			"  snapback reference run -s /tmp/checkpoints/JOB/chk-7 -p 3 --jobmanager 127.0.0.1:6123 --checkpoint-dir file:///tmp/checkpoints --dir /tmp/out2 counts\n" +
			"  snapback reference run -D execution.checkpointing.unaligned.enabled=true -D execution.checkpointing.incremental=true … growing",
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 || !slices.Contains(operators.Workloads(), arguments[0]) {
				return harness.Usagef("want one of the workloads %v, got %q", operators.Workloads(), arguments)
			}
			return nil
		},
	}
	flags := command.Flags()
	jobManager := jobManagerFlag(command)
	j := job.Defaults()
	retention := flags.String("retention", string(j.Checkpoints.Retention), fmt.Sprintf("which checkpoints stay when the job ends: one of %v", storage.Retentions()))
	claimMode := flags.String("claim-mode", string(j.Restore.ClaimMode), fmt.Sprintf("whether the job owns the checkpoint that it resumes from: one of %v", storage.ClaimModes()))
	config := configFlag(command)
	checkpointDir := flags.String("checkpoint-dir", "", "`URL` of the checkpoint directory, such as file:///tmp/checkpoints; short for -D "+configuration.Dir.Key)
	own := keysFlag(command, "of this job")
	flags.StringVar(&j.ID, "job-id", "", "id of the job, 32 hexadecimal digits (default: a random id)")
	flags.StringVarP(&j.Restore.Path, "from-savepoint", "s", "", "`path` or URL of the checkpoint or savepoint to resume from: its directory or its file _metadata")
	flags.BoolVarP(&j.Restore.AllowNonRestored, "allow-non-restored-state", "n", false, "ignore the state of operators that the job does not have")
	flags.IntVarP(&j.Parallelism, "parallelism", "p", 2, "number of subtasks of each operator; the job needs as many slots")
	flags.IntVar(&j.ParallelismMax, "max-parallelism", 0, "number of key groups (default: as in the checkpoint, else Flink's default)")
	flags.DurationVar(&j.Checkpoints.Interval, "interval", time.Second, "time between checkpoints")
	flags.DurationVar(&j.Checkpoints.Timeout, "checkpoint-timeout", 10*time.Minute, "time after which a checkpoint in progress is aborted")
	restarts := flags.Int("restarts", 3, "how often a failed job is restarted; for other strategies use -D "+configuration.RestartKind.Key)
	w := &j.Workload
	workloadFlags(flags, w)
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
		given := j // the values of the flags, for overrideKeys
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
		given.Checkpoints.Retention, given.Restore.ClaimMode = storage.Retention(*retention), storage.ClaimMode(*claimMode)
		overrideKeys(flags, &j, given)
		for _, key := range configuration.Ignored(j.Configuration) {
			_, _ = fmt.Fprintf(command.ErrOrStderr(), "snapback: ignored %s, which works only in the configuration of the cluster\n", key)
		}
		return submitAndWait(command, to, j)
	}
	return command
}

// workloadFlags defines the flags for the workload of a job.
func workloadFlags(flags *pflag.FlagSet, w *operators.Parameters) {
	flags.StringVar(&w.Dir, "dir", "", "absolute `path` of the directory for the output")
	flags.Int64Var(&w.Seed, "workload-seed", 42, "number from which the input is computed")
	flags.IntVar(&w.Splits, "splits", 2, "number of splits of the input")
	flags.IntVar(&w.Records, "records", 10000, "number of records in each split")
	flags.IntVar(&w.Keys, "keys", 32, "number of keys")
	flags.DurationVar(&w.Pause, "pause", time.Millisecond, "pause of a source after each record")
	flags.DurationVar(&w.Snapshot, "snapshot", 0, "least duration of a snapshot of the stateful operator")
	flags.DurationVar(&w.Slow, "slow", 0, "time that the stateful operator needs for a record; backpressure has 1ms by default")
	flags.IntVar(&w.Payload, "payload", 1000, "bytes that each record adds to the state of the workload growing")
}

// overrideKeys sets the values of the flags that the user gave. These values replace the values of
// Flink's keys.
func overrideKeys(flags *pflag.FlagSet, j *job.Job, given job.Job) {
	for flag, take := range map[string]func(){
		"interval":                 func() { j.Checkpoints.Interval = given.Checkpoints.Interval },
		"checkpoint-timeout":       func() { j.Checkpoints.Timeout = given.Checkpoints.Timeout },
		"retention":                func() { j.Checkpoints.Retention = given.Checkpoints.Retention },
		"claim-mode":               func() { j.Restore.ClaimMode = given.Restore.ClaimMode },
		"from-savepoint":           func() { j.Restore.Path = given.Restore.Path },
		"allow-non-restored-state": func() { j.Restore.AllowNonRestored = given.Restore.AllowNonRestored },
		"max-parallelism":          func() { j.ParallelismMax = given.ParallelismMax },
		"restarts":                 func() { j.Restart = given.Restart },
	} {
		if flags.Changed(flag) {
			take()
		}
	}
}

func stopCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "stop [flags] JOB",
		Short:   "Stop a job with a savepoint, and print its path",
		Example: "  snapback reference stop --jobmanager 127.0.0.1:6123 --savepoint-dir file:///tmp/savepoints JOB",
	}
	dir := savepointDirFlag(command)
	drain := command.Flags().Bool("drain", false, "end the input before the savepoint, so that event time ends and open windows are written out")
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
		Short:   "Take a savepoint of a job without stopping the job, and print its path",
		Example: "  snapback reference savepoint --jobmanager 127.0.0.1:6123 --savepoint-dir file:///tmp/savepoints JOB",
	}
	dir := savepointDirFlag(command)
	return asking(command, func(client reference.Client, id string) (string, error) {
		return client.Savepoint(id, *dir, protocol.GoOn, savepointTimeout)
	})
}

func savepointDirFlag(command *cobra.Command) *string {
	return command.Flags().String("savepoint-dir", "", "`URL` of the directory for the savepoint (default: "+configuration.SavepointDir.Key+" of the cluster)")
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
		Short:   "Print the counts and the latest checkpoints of a job",
		Example: "  snapback reference checkpoints --jobmanager 127.0.0.1:6123 JOB",
	}, func(client reference.Client, id string) (string, error) {
		s, err := client.Checkpoints(id)
		if err != nil {
			return "", err
		}
		text := &strings.Builder{}
		_, _ = fmt.Fprintf(text, "triggered %d, completed %d, failed %d, in progress %d, last restored %d", s.Triggered, s.Completed, s.Failed, s.InProgress, s.Restored)
		for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
			_, _ = fmt.Fprintf(text, "\n  failed %d times because: %s", s.Reasons[reason], reason)
		}
		for _, c := range s.Latest {
			_, _ = fmt.Fprintf(text, "\n  checkpoint %d: took %s; %d bytes, including %d bytes of records in flight; %s", c.ID, c.Took.Round(time.Microsecond), c.Bytes, c.InFlight, c.Path)
		}
		return text.String(), nil
	})
}

func suspendCommand() *cobra.Command {
	return asking(&cobra.Command{
		Use:     "suspend [flags] JOB",
		Short:   "Suspend a job, as a JobManager does when it shuts down",
		Example: "  snapback reference suspend --jobmanager 127.0.0.1:6123 JOB",
	}, func(client reference.Client, id string) (string, error) {
		return "suspending job " + id, client.Suspend(id)
	})
}

// asking gives a command its flag, its argument check and its action: to ask the JobManager the
// given question about one job, and to print the answer.
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

// client sends questions to a JobManager, one after the other.
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

// submitAndWait submits a job and prints each change of its status until the job ends. A signal
// cancels the job.
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
		return harness.Usagef("the JobManager refused the job, and changed nothing: %w", err)
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
