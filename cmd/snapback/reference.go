package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

// statusEvery is how often a running job is asked after.
const statusEvery = 200 * time.Millisecond

// savepointTimeout bounds how long a savepoint is waited for.
const savepointTimeout = 10 * time.Minute

func referenceCommand() *cobra.Command {
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
	command.AddCommand(jobManagerCommand(), taskManagerCommand(), referenceRunCommand(), stopCommand(), suspendCommand())
	return command
}

func listenFlag(command *cobra.Command) *string {
	return command.Flags().String("listen", "127.0.0.1:0", "`host:port` to listen at; port 0 takes a free one")
}

func listen(address string, log io.Writer) (*live.Process, error) {
	process, err := live.Listen(address, schemes.New(), log)
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

func jobManagerCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "jobmanager",
		Short: "Run a JobManager until it is killed",
		Example: "  snapback reference jobmanager --listen 127.0.0.1:6123 --retained 3\n" +
			"  snapback reference jobmanager --config /opt/flink/conf -D execution.checkpointing.dir=hdfs://namenode:8020/checkpoints",
		Args: noArguments,
	}
	address := listenFlag(command)
	config := configFlag(command)
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
	slots := command.Flags().Int("slots", 1, "slots to offer")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if *slots < 1 {
			return harness.Usagef("--slots: want 1 or more, got %d", *slots)
		}
		to, err := jobManagerAt(*jobManager)
		if err != nil {
			return err
		}
		process, err := listen(*address, os.Stdout)
		if err != nil {
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
		Long:  "Submits a job and waits for its end. Ctrl-C cancels it.\nThe only workload so far is counts; see docs/workloads.md.",
		Example: "  snapback reference run --jobmanager 127.0.0.1:6123 --checkpoint-dir file:///tmp/checkpoints --dir /tmp/out counts\n" +
			"  snapback reference run -s /tmp/checkpoints/JOB/chk-7 --jobmanager 127.0.0.1:6123 --checkpoint-dir file:///tmp/checkpoints --dir /tmp/out2 counts",
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 || arguments[0] != job.WorkloadName {
				return harness.Usagef("want one workload, %s, got %q", job.WorkloadName, arguments)
			}
			return nil
		},
	}
	flags := command.Flags()
	jobManager := jobManagerFlag(command)
	var j job.Job
	retention := flags.String("retention", string(storage.RetainOnCancellation), fmt.Sprintf("what becomes of checkpoints at the end: one of %v", storage.Retentions()))
	claimMode := flags.String("claim-mode", string(storage.NoClaim), fmt.Sprintf("who owns the checkpoint that is resumed from: one of %v", storage.ClaimModes()))
	config := configFlag(command)
	checkpointDir := flags.String("checkpoint-dir", "", "`URL` of the checkpoint directory, as in file:///tmp/checkpoints; short for -D "+configuration.Dir.Key)
	own := keysFlag(command, "of this job")
	flags.StringVar(&j.ID, "job-id", "", "32 hexadecimal digits; random if not given")
	flags.StringVarP(&j.Restore, "from-savepoint", "s", "", "`path` or URL of the checkpoint to resume from: a chk-N directory or its _metadata")
	flags.IntVarP(&j.Parallelism, "parallelism", "p", 2, "subtasks of each operator, and slots needed")
	flags.DurationVar(&j.Interval, "interval", time.Second, "time between checkpoints")
	flags.DurationVar(&j.Timeout, "checkpoint-timeout", 10*time.Minute, "time after which a checkpoint is given up")
	flags.IntVar(&j.Restarts, "restarts", 3, "how often a failed job is restarted")
	flags.StringVar(&j.Counts.Dir, "dir", "", "`path` of a directory for the output; absolute")
	flags.Int64Var(&j.Counts.Seed, "workload-seed", 42, "what the input is computed from")
	flags.IntVar(&j.Counts.Splits, "splits", 2, "splits of the input")
	flags.IntVar(&j.Counts.Records, "records", 10000, "records of each split")
	flags.IntVar(&j.Counts.Keys, "keys", 32, "keys")
	flags.DurationVar(&j.Counts.Pause, "pause", time.Millisecond, "pause of a source after each record")
	flags.DurationVar(&j.Counts.Snapshot, "snapshot", 0, "time that a snapshot of the counter takes at least")
	command.RunE = func(command *cobra.Command, _ []string) error {
		to, err := jobManagerAt(*jobManager)
		if err != nil {
			return err
		}
		j.Retention, j.ClaimMode = storage.Retention(*retention), storage.ClaimMode(*claimMode)
		if j.Configuration, err = loadConfiguration(*config); err != nil {
			return err
		}
		if *checkpointDir != "" {
			j.Configuration[configuration.Dir.Key] = *checkpointDir
		}
		if err := setKeys(j.Configuration, *own); err != nil {
			return err
		}
		if err := configured(&j, flags.Changed); err != nil {
			return &harness.UsageError{Err: err}
		}
		for _, key := range configuration.Ignored(j.Configuration) {
			_, _ = fmt.Fprintf(command.ErrOrStderr(), "snapback: %s counts only in the configuration of the cluster; here it is ignored\n", key)
		}
		return submitAndWait(command, to, j)
	}
	return command
}

// configured takes what was given as a key, and not as a flag, into the job.
func configured(j *job.Job, given func(flag string) bool) (err error) {
	text := func(o configuration.Option, flag string, take func(value string)) {
		if value, _, ok := j.Configuration.Find(o); ok && !given(flag) {
			take(value)
		}
	}
	duration := func(o configuration.Option, flag string, into *time.Duration) {
		text(o, flag, func(string) {
			value, bad := j.Configuration.Duration(o)
			if bad != nil && err == nil {
				err = bad
			}
			*into = value
		})
	}
	duration(configuration.Interval, "interval", &j.Interval)
	duration(configuration.Timeout, "checkpoint-timeout", &j.Timeout)
	text(configuration.RetentionOf, "retention", func(value string) { j.Retention = storage.Retention(strings.ToUpper(value)) })
	text(configuration.ClaimMode, "claim-mode", func(value string) { j.ClaimMode = storage.ClaimMode(strings.ToUpper(value)) })
	text(configuration.RestorePath, "from-savepoint", func(value string) { j.Restore = value })
	if mode := j.Configuration.Text(configuration.Mode); err == nil && !strings.EqualFold(mode, configuration.Mode.Default) {
		return fmt.Errorf("%s: the reference has %s, got %q", configuration.Mode.Key, configuration.Mode.Default, mode)
	}
	return err
}

func stopCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "stop [flags] JOB",
		Short:   "Stop a job with a savepoint, and print its path",
		Example: "  snapback reference stop --jobmanager 127.0.0.1:6123 --savepoint-dir file:///tmp/savepoints JOB",
	}
	dir := command.Flags().String("savepoint-dir", "", "`URL` of the directory for the savepoint; "+configuration.SavepointDir.Key+" of the cluster if not given")
	return asking(command, func(client reference.Client, id string) (string, error) {
		return client.StopWithSavepoint(id, *dir, savepointTimeout)
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
