package flink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/process"
	"github.com/snapback/snapback/storage/filesystem"
)

// How long is waited for what, and how often looked.
const (
	pollEvery         = 2 * time.Millisecond
	startTimeout      = 90 * time.Second
	submitTimeout     = 2 * time.Minute
	checkpointTimeout = time.Minute
)

// Flink's default configuration opens these packages to itself.
var jvmFlags = []string{
	"--add-opens=java.base/java.lang=ALL-UNNAMED",
	"--add-opens=java.base/java.net=ALL-UNNAMED",
	"--add-opens=java.base/java.util=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
	"--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
	"--add-opens=java.base/java.text=ALL-UNNAMED",
	"--add-opens=java.base/java.time=ALL-UNNAMED",
	"--add-exports=java.base/sun.net.util=ALL-UNNAMED",
	// These make a short life short: a JVM that starts soon, and shares two cores.
	"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto",
}

// cluster is one session cluster: a JobManager and TaskManagers of one slot each.
type cluster struct {
	target    Target
	spec      harness.ClusterSpec
	dir       string
	root      string
	work      string
	classPath string
	began     time.Time
	starter   *process.Starter
	rest      *rest
	jarID     string

	jobManager   *process.Process
	log          *process.Tail
	watcher      watcher
	taskManagers []*process.Process
	started      int // TaskManagers ever
}

func start(ctx context.Context, t Target, spec harness.ClusterSpec) (_ harness.Cluster, err error) {
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, err
	}
	c := &cluster{
		target: t, spec: spec, dir: dir, root: filepath.Join(dir, "checkpoints"), work: filepath.Join(dir, "work"),
		began: time.Now(), starter: process.NewStarter(), watcher: watcher{registered: map[string]bool{}},
		log: process.NewTail(filepath.Join(dir, "jobmanager.flink.log")),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.classPath, err = t.classPath(); err != nil {
		return nil, err
	}
	if err := c.configure(); err != nil {
		return nil, err
	}
	c.jobManager, err = c.start("jobmanager", []string{"-Xmx256m"},
		"org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", "--configDir", c.configDir())
	if err != nil {
		return nil, err
	}
	if err := c.StartTaskManagers(ctx); err != nil {
		return nil, err
	}
	c.jarID, err = c.rest.upload(ctx, t.jar)
	return c, err
}

// configure makes the cluster's directories and writes its configuration.
func (c *cluster) configure() error {
	for _, dir := range []string{c.root, c.work, c.configDir(), filepath.Join(c.dir, "tmp")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	rpcPort, err := freePort()
	if err != nil {
		return err
	}
	restPort, err := freePort()
	if err != nil {
		return err
	}
	c.rest = newREST("http://127.0.0.1:" + strconv.Itoa(restPort))
	var text strings.Builder
	values := map[string]any{
		"Dir": c.dir, "Root": c.root, "RPCPort": rpcPort, "RESTPort": restPort, "Retained": c.spec.Retained,
	}
	if err := configTemplate.Execute(&text, values); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.configDir(), "config.yaml"), []byte(text.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(c.log4j(), log4j, 0o644)
}

func (c *cluster) configDir() string { return filepath.Join(c.dir, "conf") }
func (c *cluster) log4j() string     { return filepath.Join(c.configDir(), "log4j.properties") }

// freePort asks the kernel for a port that nobody uses now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

func (c *cluster) java(ctx context.Context, name string, options []string, mainClass string, arguments ...string) *exec.Cmd {
	all := slices.Concat(jvmFlags, options, []string{
		"-Dlog.file=" + filepath.Join(c.dir, name+".flink.log"),
		"-Dlog4j.configurationFile=file://" + c.log4j(),
		"-cp", c.classPath, mainClass,
	}, arguments)
	command := exec.CommandContext(ctx, "java", all...)
	command.Dir = c.dir
	command.Env = append(os.Environ(), "FLINK_CONF_DIR="+c.configDir())
	return command
}

func (c *cluster) start(name string, options []string, mainClass string, arguments ...string) (*process.Process, error) {
	return c.starter.Start(c.dir, name, c.java(context.Background(), name, options, mainClass, arguments...))
}

func (c *cluster) Now() time.Duration           { return time.Since(c.began) }
func (c *cluster) Files() filesystem.FileSystem { return filesystem.Local{} }
func (c *cluster) Root() string                 { return c.root }
func (c *cluster) Work() string                 { return c.work }

func (c *cluster) TaskManagers() []string {
	var names []string
	for _, t := range c.taskManagers {
		names = append(names, t.Name)
	}
	return names
}

// Step waits a little, and reads what the JobManager logged.
func (c *cluster) Step(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollEvery):
	}
	for _, p := range append(slices.Clone(c.taskManagers), c.jobManager) {
		if err := p.Ended(); err != nil {
			return err
		}
	}
	lines, err := c.log.Lines()
	if err != nil {
		return err
	}
	for _, line := range lines {
		if event, ok := c.watcher.read(line); ok {
			c.spec.Observe(event)
		}
	}
	return nil
}

func (c *cluster) until(ctx context.Context, what string, limit time.Duration, holds func() bool) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !holds() {
		if err := c.Step(limited); err != nil {
			return fmt.Errorf("wait for %s: %w; see the logs in %s", what, err, c.dir)
		}
	}
	return nil
}

func (c *cluster) StartTaskManagers(ctx context.Context) error {
	for len(c.taskManagers) < c.spec.TaskManagers {
		c.started++
		name := fmt.Sprintf("taskmanager-%d", c.started)
		started, err := c.start(name, []string{"-Xmx224m", "-XX:MaxDirectMemorySize=128m"},
			"org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
			"--configDir", c.configDir(), "-D", "taskmanager.resource-id="+name)
		if err != nil {
			return err
		}
		c.taskManagers = append(c.taskManagers, started)
	}
	return c.until(ctx, "the TaskManagers to register", startTimeout, func() bool {
		for _, t := range c.taskManagers {
			if !c.watcher.registered[t.Name] {
				return false
			}
		}
		return true
	})
}

func (c *cluster) Kill(_ context.Context, taskManager string) error {
	at := slices.IndexFunc(c.taskManagers, func(t *process.Process) bool { return t.Name == taskManager })
	if at < 0 {
		return fmt.Errorf("kill %s: no such TaskManager", taskManager)
	}
	err := c.taskManagers[at].Kill()
	c.taskManagers = slices.Delete(c.taskManagers, at, at+1)
	return err
}

// Submit submits a fresh job through the REST API, and resumes one from a
// checkpoint as users do, with the command line's run -s.
func (c *cluster) Submit(ctx context.Context, submission harness.Submission) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	if submission.Restore != "" {
		return c.runFrom(ctx, submission)
	}
	request := map[string]any{
		"entryClass":         mainClass,
		"programArgsList":    arguments(submission),
		"parallelism":        submission.Job.Parallelism,
		"flinkConfiguration": configuration(submission),
	}
	var answer struct{ JobID string }
	err := c.rest.call(ctx, http.MethodPost, "/jars/"+c.jarID+"/run", request, &answer)
	return answer.JobID, refused(err)
}

var submittedLine = regexp.MustCompile(`Job has been submitted with JobID ([0-9a-f]{32})`)

func (c *cluster) runFrom(ctx context.Context, submission harness.Submission) (string, error) {
	run := []string{"run", "-d", "-s", submission.Restore, "-p", strconv.Itoa(submission.Job.Parallelism), "-c", mainClass}
	for key, value := range configuration(submission) {
		run = append(run, "-D"+key+"="+value)
	}
	run = append(append(run, c.target.jar), arguments(submission)...)
	command := c.java(ctx, "client", []string{"-Xmx192m"}, "org.apache.flink.client.cli.CliFrontend", run...)
	output, err := command.CombinedOutput()
	if submitted := submittedLine.FindSubmatch(output); submitted != nil && err == nil {
		return string(submitted[1]), nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return "", &harness.RefusedError{Why: causes(string(output))}
	}
	return "", fmt.Errorf("flink run: %w\n%s", err, output)
}

func (c *cluster) Cancel(ctx context.Context, id string) error {
	return c.rest.call(ctx, http.MethodPatch, "/jobs/"+id+"?mode=cancel", nil, nil)
}

func (c *cluster) Checkpoint(ctx context.Context, id string) (int64, error) {
	var trigger struct {
		RequestID string `json:"request-id"`
	}
	if err := c.rest.call(ctx, http.MethodPost, "/jobs/"+id+"/checkpoints", struct{}{}, &trigger); err != nil {
		return 0, refused(err)
	}
	var answer struct {
		Status    struct{ ID string }
		Operation struct {
			CheckpointID int64
			FailureCause *struct {
				StackTrace string `json:"stack-trace"`
			} `json:"failure-cause"`
		}
	}
	var failed error
	err := c.until(ctx, "the checkpoint", checkpointTimeout, func() bool {
		failed = c.rest.call(ctx, http.MethodGet, "/jobs/"+id+"/checkpoints/"+trigger.RequestID, nil, &answer)
		return failed != nil || answer.Status.ID == "COMPLETED"
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case answer.Operation.FailureCause != nil:
		return 0, &harness.RefusedError{Why: causes(answer.Operation.FailureCause.StackTrace)}
	}
	return answer.Operation.CheckpointID, nil
}

// refused tells a request that Flink turned down from one that got no answer.
func refused(err error) error {
	var status *statusError
	if errors.As(err, &status) {
		return &harness.RefusedError{Why: status.Text}
	}
	return err
}

// arguments are the workload's, as its page in docs/workloads.md has them.
func arguments(submission harness.Submission) []string {
	w := submission.Workload
	return []string{
		"--seed", strconv.FormatInt(w.Seed, 10),
		"--splits", strconv.Itoa(w.Splits),
		"--records", strconv.Itoa(w.Records),
		"--keys", strconv.Itoa(w.Keys),
		"--pause-us", strconv.FormatInt(w.Pause.Microseconds(), 10),
		"--snapshot-ms", strconv.FormatInt(w.Snapshot.Milliseconds(), 10),
		"--dir", submission.Dir,
	}
}

// configuration is what Flink reads from a job and not from its cluster.
func configuration(submission harness.Submission) map[string]string {
	j := submission.Job
	return map[string]string{
		"execution.checkpointing.interval":                          millis(j.Interval),
		"execution.checkpointing.timeout":                           millis(j.Timeout),
		"execution.checkpointing.externalized-checkpoint-retention": string(j.Retention),
		"restart-strategy.type":                                     "fixed-delay",
		"restart-strategy.fixed-delay.attempts":                     strconv.Itoa(j.Restarts),
		"restart-strategy.fixed-delay.delay":                        "100ms",
	}
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

// Close kills every process.
func (c *cluster) Close() error { return c.starter.Close() }
