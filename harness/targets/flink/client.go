package flink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink/kafka"
)

const (
	submitTimeout     = 2 * time.Minute
	checkpointTimeout = time.Minute
)

// jvmFlags are the flags of each JVM. Most of them open the same Java packages as Flink's default
// configuration does since 1.18, because Flink uses these packages by reflection.
var jvmFlags = []string{
	"--add-opens=java.base/java.lang=ALL-UNNAMED",
	"--add-opens=java.base/java.net=ALL-UNNAMED",
	"--add-opens=java.base/java.io=ALL-UNNAMED",
	"--add-opens=java.base/java.nio=ALL-UNNAMED",
	"--add-opens=java.base/java.util=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
	"--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
	"--add-opens=java.base/java.text=ALL-UNNAMED",
	"--add-opens=java.base/java.time=ALL-UNNAMED",
	"--add-exports=java.base/sun.net.util=ALL-UNNAMED",
	// The flags in the next line let a JVM start fast on a machine with few cores.
	"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto",
}

// client uses a cluster as users do: by the REST API and the command line.
type client struct {
	target  Target
	rest    *rest
	starter *process.Starter
	dir     string                      // directory for the configuration and the logs
	root    string                      // path of the checkpoint directory
	jarID   string                      // id of the workload's jar, once it is uploaded
	calls   int                         // number of calls of the command line
	step    func(context.Context) error // lets a moment pass
	broker  *kafka.Broker               // the Kafka broker beside the cluster; nil if the scenario needs none
}

func (c *client) configDir() string { return filepath.Join(c.dir, "conf") }
func (c *client) log4j() string     { return filepath.Join(c.configDir(), "log4j.properties") }

// writeConfig writes the configuration with which Flink's programs start.
func (c *client) writeConfig(text string) error {
	// After an upgrade the file of an earlier release may be there, which some releases prefer.
	if err := os.RemoveAll(c.configDir()); err != nil {
		return err
	}
	if err := os.MkdirAll(c.configDir(), 0o755); err != nil {
		return err
	}
	name, text := filepath.Join(c.configDir(), c.target.configName()), c.target.configText(text)
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(c.log4j(), log4j, 0o644)
}

// removeLitter deletes the temporary directories of Flink, such as those for blobs and uploads. It
// must be called after the processes of the cluster have ended.
func (c *client) removeLitter() error {
	var failed error
	for _, name := range []string{"tmp", "blob", "web", "upload", "process"} {
		failed = errors.Join(failed, os.RemoveAll(filepath.Join(c.dir, name)))
	}
	return failed
}

// logOf returns the path of a process's log.
func (c *client) logOf(name string) string { return filepath.Join(c.dir, name+".flink.log") }

// URL returns the URL of the cluster's REST API.
func (c *client) URL() string { return c.rest.url }

func (c *client) upload(ctx context.Context) (err error) {
	c.jarID, err = c.rest.upload(ctx, c.target.jar)
	return err
}

// java returns the command that runs one of Flink's classes. The class comes from the jars in the
// directory lib. If lib is empty, the class comes from the jars on this machine.
func (c *client) java(name, lib string, options []string, mainClass string, arguments ...string) (*exec.Cmd, error) {
	classPath, err := c.target.classPath(lib)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(jvmFlags, options, []string{
		"-Dsnapback.log=" + c.logOf(name),
		"-Dlog4j.configurationFile=file://" + c.log4j(),
		"-cp", classPath, mainClass,
	}, arguments)
	command := exec.Command("java", all...)
	command.Dir = c.dir
	command.Env = append(os.Environ(), "FLINK_CONF_DIR="+c.configDir())
	if plugins := c.target.plugins(); plugins != "" && lib == "" {
		command.Env = append(command.Env, "FLINK_PLUGINS_DIR="+plugins)
	}
	return command, nil
}

// Submit submits a job. It submits a new job through the REST API. It submits a job that resumes
// from a checkpoint with the command `flink run -s`, as users do. In release 1.16 the REST API takes
// no configuration for a job, so there it uses the command for new jobs too.
func (c *client) Submit(ctx context.Context, submission target.Submission) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	settings := c.target.named(configuration(submission))
	if submission.Restore != "" || !c.target.since(1, 17) {
		return c.run(ctx, submission, settings)
	}
	return c.post(ctx, submission, settings)
}

// post submits a job through the REST API.
func (c *client) post(ctx context.Context, submission target.Submission, settings map[string]string) (string, error) {
	job, err := c.target.program(ctx, submission.Workload, c.target.say)
	if err != nil {
		return "", err
	}
	jarID := c.jarID
	if job.jar != c.target.jar {
		if jarID, err = c.rest.upload(ctx, job.jar); err != nil {
			return "", err
		}
	}
	request := map[string]any{
		"entryClass":         job.class,
		"programArgsList":    c.argumentsFor(submission),
		"parallelism":        submission.Job.Parallelism,
		"flinkConfiguration": settings,
	}
	if submission.ID != "" {
		request["jobId"] = submission.ID
	}
	if submission.Restore != "" {
		request["savepointPath"] = submission.Restore
	}
	if submission.ClaimMode != "" {
		request[c.target.claimMode()] = string(submission.ClaimMode)
	}
	if submission.AllowNonRestored {
		request["allowNonRestoredState"] = true
	}
	var answer struct{ JobID string }
	err = c.rest.call(ctx, http.MethodPost, "/jars/"+jarID+"/run", request, &answer)
	return answer.JobID, refused(err)
}

var submittedLine = regexp.MustCompile(`Job has been submitted with JobID ([0-9a-f]{32})`)

// run submits a job with the command `flink run`.
func (c *client) run(ctx context.Context, submission target.Submission, settings map[string]string) (string, error) {
	job, err := c.target.program(ctx, submission.Workload, c.target.say)
	if err != nil {
		return "", err
	}
	run := []string{"run", "-d", "-p", strconv.Itoa(submission.Job.Parallelism), "-c", job.class}
	if submission.Restore != "" {
		run = append(run, "-s", submission.Restore)
	}
	if submission.ClaimMode != "" {
		run = append(run, "-"+c.target.claimMode(), string(submission.ClaimMode))
	}
	if submission.AllowNonRestored {
		run = append(run, "-n")
	}
	if submission.ID != "" {
		run = append(run, "-D$internal.pipeline.job-id="+submission.ID)
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		run = append(run, "-D"+key+"="+settings[key])
	}
	run = append(append(run, job.jar), c.argumentsFor(submission)...)
	if err := c.rest.untilReady(ctx); err != nil {
		return "", err
	}
	c.calls++
	name := fmt.Sprintf("client-%d", c.calls)
	command, err := c.java(name, "", []string{"-Xmx192m"}, "org.apache.flink.client.cli.CliFrontend", run...)
	if err != nil {
		return "", err
	}
	var output string
	c.rest.serving(func() { output, err = c.starter.Run(ctx, c.dir, name, command) })
	if submitted := submittedLine.FindStringSubmatch(output); submitted != nil && err == nil {
		return submitted[1], nil
	}
	// Only the cluster itself gives this exception. A client that did not reach the cluster gives
	// another exception.
	if strings.Contains(output, "JobInitializationException") {
		return "", &target.RefusedError{Why: causes(output)}
	}
	return "", fmt.Errorf("flink run: %w\n%s", err, output)
}

func (c *client) Cancel(ctx context.Context, id string) error {
	return refused(c.rest.call(ctx, http.MethodPatch, "/jobs/"+id+"?mode=cancel", nil, nil))
}

func (c *client) Checkpoint(ctx context.Context, id string) (int64, error) {
	var answer struct{ CheckpointID int64 }
	err := c.triggered(ctx, "/jobs/"+id+"/checkpoints", "/jobs/"+id+"/checkpoints/", struct{}{}, &answer)
	return answer.CheckpointID, err
}

// finishing matches Flink's words for a checkpoint that it did not take because a subtask had finished
// or was finishing. In the second case the subtask still has the status RUNNING. "Task local
// checkpoint failure" is all that Flink says if the TaskManager no longer knows the subtask: it has
// finished, but the JobManager had not heard of that yet.
var finishing = regexp.MustCompile(`task is closing|Task local checkpoint failure|PartialFinishingNotSupportedByState|tasks of the job have already finished`)

// triggered starts an operation that Flink runs in the background, waits until the operation has
// ended, and reads its result. The result is at the path results, followed by the id of the
// operation.
func (c *client) triggered(ctx context.Context, path, results string, request, answer any) error {
	var trigger struct {
		RequestID string `json:"request-id"`
	}
	if err := c.rest.call(ctx, http.MethodPost, path, request, &trigger); err != nil {
		return refused(err)
	}
	var status struct {
		Status    struct{ ID string }
		Operation json.RawMessage
	}
	ctx, cancel := context.WithTimeout(ctx, checkpointTimeout)
	defer cancel()
	for status.Status.ID != "COMPLETED" {
		if err := c.step(ctx); err != nil {
			return fmt.Errorf("wait for the result of %s: %w", path, err)
		}
		if err := c.rest.call(ctx, http.MethodGet, results+trigger.RequestID, nil, &status); err != nil {
			return err
		}
	}
	var failure struct {
		Cause *struct {
			StackTrace string `json:"stack-trace"`
		} `json:"failureCause"`
		Other *struct {
			StackTrace string `json:"stack-trace"`
		} `json:"failure-cause"` // the name that savepoints use
	}
	if err := json.Unmarshal(status.Operation, &failure); err != nil {
		return err
	}
	if cause := cmp.Or(failure.Cause, failure.Other); cause != nil {
		return &target.RefusedError{Why: causes(cause.StackTrace), Finishing: finishing.MatchString(cause.StackTrace)}
	}
	return json.Unmarshal(status.Operation, answer)
}

// refused turns the answer with which Flink refuses a request into a [target.RefusedError]. It
// returns any other error unchanged, for example if Flink gave no answer.
func refused(err error) error {
	var status *statusError
	if errors.As(err, &status) && status.Code < http.StatusInternalServerError {
		return &target.RefusedError{Why: status.Text}
	}
	return err
}

// arguments returns the program's command-line arguments, which docs/workloads.md describes.
func arguments(submission target.Submission) []string {
	w := submission.Workload
	all := []string{
		"--workload", w.Name,
		"--seed", strconv.FormatInt(w.Seed, 10),
		"--splits", strconv.Itoa(w.Splits),
		"--records", strconv.Itoa(w.Records),
		"--keys", strconv.Itoa(w.Keys),
		"--pause-us", strconv.FormatInt(w.Pause.Microseconds(), 10),
		"--slow-us", strconv.FormatInt(w.Slow.Microseconds(), 10),
		"--snapshot-ms", strconv.FormatInt(w.Snapshot.Milliseconds(), 10),
		"--payload", strconv.Itoa(w.Payload),
		"--dir", submission.Dir,
	}
	if w.Connectors == "" {
		all = append(all, "--uneven", strconv.FormatBool(w.Uneven), "--idle", strconv.Itoa(w.Idle))
	}
	return all
}

// configuration returns the settings that Flink reads from the job and not from its cluster. The
// scenario's own settings win over those that follow from its fields.
func configuration(submission target.Submission) map[string]string {
	j := submission.Job
	c := map[string]string{
		"execution.checkpointing.interval":                          millis(j.Interval),
		"execution.checkpointing.timeout":                           millis(j.Timeout),
		"execution.checkpointing.externalized-checkpoint-retention": string(j.Retention),
		"restart-strategy.type":                                     "fixed-delay",
		"restart-strategy.fixed-delay.attempts":                     strconv.Itoa(j.Restarts),
		"restart-strategy.fixed-delay.delay":                        "10ms",
	}
	set := func(key, value string, wanted bool) {
		if wanted {
			c[key] = value
		}
	}
	set("execution.checkpointing.min-pause", millis(j.MinPause), j.MinPause > 0)
	set("execution.checkpointing.max-concurrent-checkpoints", strconv.Itoa(j.MaxConcurrent), j.MaxConcurrent > 0)
	set("execution.checkpointing.tolerable-failed-checkpoints", strconv.Itoa(j.Tolerable), j.Tolerable > 0)
	set("execution.checkpointing.mode", "AT_LEAST_ONCE", j.AtLeastOnce)
	set("execution.checkpointing.unaligned.enabled", "true", j.Unaligned)
	set("execution.checkpointing.aligned-checkpoint-timeout", millis(j.AlignmentTimeout), j.AlignmentTimeout > 0)
	set("pipeline.max-parallelism", strconv.Itoa(j.ParallelismMax), j.ParallelismMax > 0)
	maps.Copy(c, backends[j.Backend])
	maps.Copy(c, withCurrentNames(submission.Settings))
	return c
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
