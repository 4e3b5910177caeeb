package commandline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/run"
)

// binary is the path of the program. TestMain builds it, and the tests run it as users do.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "snapback-cmd-*")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "snapback")
	if output, err := exec.Command("go", "build", "-o", dir, "../../snapback", "../../snapback-full").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, output))
	}
	for _, variable := range os.Environ() { // deletes the variables that set flags, so that only the tests set flags
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "SNAPBACK_") {
			_ = os.Unsetenv(name)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

type outcome struct {
	code           int
	stdout, stderr string
}

// snapback runs the program in a new directory.
func snapback(t *testing.T, arguments ...string) outcome {
	t.Helper()
	command := exec.Command(binary, arguments...)
	command.Dir = t.TempDir()
	return output(t, command)
}

func output(t *testing.T, command *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestBadInputIsOneSentenceAndExitCode2(t *testing.T) {
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = occupied.Close() }()
	dead := deadAddress(t)
	file := filepath.Join(t.TempDir(), "file")
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	for _, name := range []string{file, broken} {
		if err := os.WriteFile(name, []byte("name: [\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	counts := []string{"--jobmanager", "127.0.0.1:1", "--checkpoint-dir", "file:///c", "--dir", "/o", "counts"}
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"frobnicate"}, `unknown command "frobnicate" for "snapback"`},
		{[]string{"run", "quux/quuux"}, `no scenario matches "quux/quuux"; see: snapback list scenarios`},
		{[]string{"run", "recovery/resume-twise"}, `(did you mean recovery/`},
		{[]string{"run", "missing.yaml"}, `scenario file: open missing.yaml: no such file`},
		{[]string{"run", broken}, "scenario file " + broken + ": "},
		{[]string{"run", "--storage", "/tmp/x"}, `--storage: checkpoint directory "/tmp/x": the scheme is missing`},
		{[]string{"run", "--target", "flink", "--storage", "gs://b/c"}, `--storage: target flink keeps checkpoints in the run directory, on s3:// or on hdfs://, got "gs://b/c"`},
		{[]string{"run", "--target", "flink", "--storage", "jobmanager"}, `--storage: checkpoint directory "jobmanager": the scheme is missing`},
		{[]string{"run", "--target", "flink", "--storage", "s3://b/c"}, "--storage s3://b/c: want the URL of the S3 server in the environment variable AWS_ENDPOINT_URL, which is not set"},
		{[]string{"run", "--target", "flink", "--storage", "hdfs://h:1/c"}, "in the environment variable HADOOP_CLASSPATH, which is not set"},
		{[]string{"run", "--target", "flink", "--rest", "http://" + dead, "--storage", "s3://b/c"}, "--storage: want it only with --runtime processes or minicluster for target flink"},
		{[]string{"run", "--target", "spark"}, `--target: want reference or flink, got "spark"`},
		{[]string{"run", "--runtime", "cloud"}, `--runtime: want one of simulated, processes for target reference, got "cloud"`},
		{[]string{"run", "--target", "flink", "--runtime", "simulated"}, `--runtime: want one of processes, minicluster, containers, running for target flink, got "simulated"`},
		{[]string{"run", "--target", "flink", "--rest", "http://" + dead}, `--rest: no Flink answers at http://` + dead + `: Get "http://` + dead + `/config": dial tcp ` + dead + `: connect: connection refused`},
		{[]string{"run", "--target", "flink", "--rest", "http://" + occupied.Addr().String()}, `--rest: no Flink answers at http://` + occupied.Addr().String()},
		{[]string{"run", "--target", "flink", "--rest", "localhost"}, `--rest: want a URL such as http://localhost:8081, got "localhost"`},
		{[]string{"run", "--target", "flink", "--runtime", "running"}, `--rest and --runtime running: want both or neither`},
		{[]string{"run", "--rest", "http://" + dead}, `--rest: only target flink has a REST API, got --target reference`},
		{[]string{"run", "--target", "flink", "--flink-version", "1.8"}, `--flink-version: want a release from 1.16.0 on`},
		{[]string{"run", "--target", "flink", "--flink-home", "/nowhere"}, `flink home: want a distribution with one lib/flink-dist-VERSION.jar in /nowhere, got 0`},
		{[]string{"run", "--target", "flink", "--flink-version", "2.3.0,2.3.0"}, `--flink-version: want different versions such as 1.18.1,2.3.0, or an old and a new one such as 1.18.1:2.3.0, got ["2.3.0" "2.3.0"]`},
		{[]string{"run", "--target", "flink", "--flink-version", "2.3.0:2.3.0"}, `or an old and a new one such as 1.18.1:2.3.0, got ["2.3.0:2.3.0"]`},
		{[]string{"run", "--target", "flink", "--flink-version", "1.20.5:"}, `or an old and a new one such as 1.18.1:2.3.0, got ["1.20.5:"]`},
		{[]string{"run", "--target", "flink", "--flink-version", "1.20.5:1.8"}, `--flink-version: want a release from 1.16.0 on, such as 1.20.5 or 2.3.0, got "1.8"`},
		{[]string{"run", "--target", "flink", "--flink-version", ""}, `--flink-version: want a version such as 2.3.0, got none`},
		{[]string{"run", "--target", "flink", "--flink-version", "1.20.5,2.3.0", "--runtime", "containers", "--image", "flink"}, `--image: want it only with one version of Flink`},
		{[]string{"run", "--target", "flink", "--flink-version", "2.3.0", "--rest", "http://" + dead}, `--flink-version: a running cluster has its own version`},
		{[]string{"run", "--expected", "/nowhere"}, `--expected: open /nowhere: no such file`},
		{[]string{"run", "--expected", broken}, `--expected: ` + broken + `: `},
		{[]string{"run", "--format", "xml"}, `--format: want human, json or jsonl, got "xml"`},
		{[]string{"run", "--seed", "many"}, `invalid argument "many" for "--seed" flag`},
		{[]string{"run", "--parallel", "-1"}, `--parallel: want 1 or more, got -1`},
		{[]string{"run", "--timeout", "0s"}, `--timeout: want more than 0, got 0s`},
		{[]string{"run", "--frob"}, `unknown flag: --frob; see: snapback run --help`},
		{[]string{"run", "--report", filepath.Join(file, "runs")}, `run directory: mkdir ` + file + `: not a directory; name another with --report`},
		{[]string{"run", "--junit", filepath.Join(file, "junit.xml")}, `--junit: `},
		{[]string{"list", "frobs"}, `list: want one of scenarios, requirements, faults, workloads, targets, got frobs`},
		{[]string{"list", "--format", "xml"}, `--format: want human or json, got "xml"`},
		{[]string{"version", "now"}, `snapback version: want no arguments, got now`},
		{[]string{"reference", "jobmanager", "--listen", occupied.Addr().String()}, `address already in use`},
		{[]string{"reference", "jobmanager", "--retained", "0"}, `--retained: want 1 or more, got 0`},
		{[]string{"reference", "taskmanager"}, `--jobmanager: want host:port, got ""`},
		{[]string{"reference", "taskmanager", "--jobmanager", "x:1", "--slots", "0"}, `--slots: want 1 or more, got 0`},
		{[]string{"explore", "--shard", "3/2"}, `--shard: want i/n, with i from 1 to n, got "3/2"`},
		{[]string{"explore", "--runs", "-1"}, "--runs: want 1 or more, got -1"},
		{[]string{"explore", "--storage", "ftp:x"}, "--storage: "},
		{[]string{"explore", "--target", "flink", "--flink-version", "1.20.5:2.3.0"}, "--flink-version: no explored scenario upgrades, so want one version, got 1.20.5:2.3.0"},
		{[]string{"reference", "etcd"}, "--dir: want the path of a directory"},
		{[]string{"reference", "jobmanager", "--ha", "http://127.0.0.1:1"}, "--ha: no etcd answers at [http://127.0.0.1:1]"},
		{[]string{"reference", "run", "nothing"}, `want one of the workloads [counts transfers windows rules growing backpressure splits], got ["nothing"]`},
		{append([]string{"reference", "run", "--records", "some"}, counts...), `invalid argument "some" for "--records" flag`},
	} {
		got := snapback(t, c.arguments...)
		if got.code != exitUsage || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
			t.Errorf("snapback %s: want exit code 2 and %s\ngot %d, %s%s", strings.Join(c.arguments, " "), c.want, got.code, got.stderr, got.stdout)
		}
		if strings.Contains(got.stderr, "goroutine") || (strings.Count(got.stderr, "\n") > 1 && c.arguments[1] != broken) {
			t.Errorf("snapback %s: want one line, got %s", strings.Join(c.arguments, " "), got.stderr)
		}
	}
}

// deadAddress returns an address at which no process listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func TestARunLeavesItsRecordsAndEndsWithDone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	got := snapback(t, "run", "--seed", "7", "--report", dir, "recovery/kill-taskmanager-mid-checkpoint", "cleanup/cancel")
	if got.code != exitHolds {
		t.Fatalf("got %d: %s%s", got.code, got.stdout, got.stderr)
	}
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if done := lines[len(lines)-1]; !regexp.MustCompile(`^DONE 4 scenarios: 4 pass in \d+\.\ds \(seed 7\)$`).MatchString(done) {
		t.Errorf("the last line is %q", done)
	}
	for _, want := range []string{
		`killed taskmanager-\d during checkpoint 3; job first came back, restored from chk-2, in \d`,
		`6000 records: \d+ replayed, 0 lost, 0 doubled`,
	} {
		if !regexp.MustCompile(want).MatchString(got.stdout) {
			t.Errorf("want %s in\n%s", want, got.stdout)
		}
	}
	first, _, _ := strings.Cut(got.stderr, "\n")
	if !regexp.MustCompile(`^snapback \S+ on go\S+; target reference .*seed 7; 4 scenarios; `).MatchString(first) {
		t.Errorf("the first line is %q", first)
	}
	for _, name := range []string{
		"results.jsonl", "report.html", "recovery/kill-taskmanager-mid-checkpoint/try-1/history.jsonl",
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests int `xml:"tests,attr"`
	}
	if err := xml.Unmarshal(data, &suite); err != nil || suite.Tests != 4 {
		t.Errorf("junit.xml: %d tests, %v", suite.Tests, err)
	}

	again := snapback(t, "run", "--report", dir)
	if again.code != exitUsage || !strings.Contains(again.stderr, "holds another run: name another directory") {
		t.Errorf("the run directory was used twice: %d, %s", again.code, again.stderr)
	}
}

// The README shows the output of a real run.
func TestTheReadmeShowsARealRun(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	got := snapback(t, "run", "--seed", "5", "recovery/kill-taskmanager-mid-checkpoint")
	for _, line := range strings.Split(got.stdout, "\n")[1:3] {
		if !strings.Contains(string(readme), line) {
			t.Errorf("the README does not show %q", line)
		}
	}
}

func TestARunOfItsOwnIsKeptAndFoundAsLatest(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		command := exec.Command(binary, "run", "--quiet", "cleanup/finish")
		command.Dir = dir
		if got := output(t, command); got.code != exitHolds || got.stderr != "" {
			t.Fatalf("got %d: %s", got.code, got.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, runsDir, latestLink, "results.jsonl")); err != nil {
		t.Error(err)
	}
	runs, err := os.ReadDir(filepath.Join(dir, runsDir))
	if err != nil || len(runs) != 3 {
		t.Errorf("want two runs and latest, got %v, %v", runs, err)
	}
}

func TestResultsForPrograms(t *testing.T) {
	got := snapback(t, "run", "--format", "json", "cleanup/finish")
	var document struct {
		Schema  string
		Results []run.Result
	}
	if err := json.Unmarshal([]byte(got.stdout), &document); err != nil || len(document.Results) != 3 {
		t.Errorf("%v: %s", err, got.stdout)
	}
	if !strings.Contains(got.stderr, "DONE 3 scenarios") {
		t.Errorf("got %s", got.stderr)
	}
	got = snapback(t, "run", "--format", "jsonl", "cleanup/finish")
	if lines := strings.Split(strings.TrimSpace(got.stdout), "\n"); len(lines) != 3 || !json.Valid([]byte(lines[0])) {
		t.Errorf("got %s", got.stdout)
	}
}

func TestFlagsHaveTwinsInTheEnvironment(t *testing.T) {
	t.Setenv("SNAPBACK_SEED", "4711")
	if got := snapback(t, "run", "cleanup/finish"); !strings.Contains(got.stdout, "(seed 4711)") {
		t.Errorf("got %s", got.stdout)
	}
	if got := snapback(t, "run", "--seed", "1", "cleanup/finish"); !strings.Contains(got.stdout, "(seed 1)") {
		t.Errorf("the flag does not win: %s", got.stdout)
	}
	t.Setenv("SNAPBACK_SEED", "many")
	if got := snapback(t, "run", "cleanup/finish"); got.code != exitUsage || !strings.Contains(got.stderr, "SNAPBACK_SEED=many") {
		t.Errorf("got %d, %s", got.code, got.stderr)
	}
}

const impossible = `
name: mine/impossible
title: A job that fails at once is expected to finish
requirements: [REC-02]
workload: {splits: 1, records: 100, keys: 2, pause: 1ms}
cluster: {taskManagers: 1, retained: 1}
job: {parallelism: 1, interval: 20ms, retention: RETAIN_ON_CANCELLATION}
bound: 5s
steps:
  - submit: {job: first}
  - await: {job: first, completed: 1}
  - fail: first
  - await: {job: first, status: FINISHED}
`

func TestAFindingIsExitCode1AndSaysHowToSeeItAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "impossible.yaml")
	if err := os.WriteFile(file, []byte(impossible), 0o600); err != nil {
		t.Fatal(err)
	}
	got := snapback(t, "run", "--seed", "3", file)
	for _, want := range []string{
		"FAIL  mine/impossible", "LIV-01: the scenario waited for 2ms in vain",
		"expected: job first to be FINISHED", "found:    job first is FAILED: source-0: asked to fail by",
		"replay:   snapback run --target reference --runtime simulated --seed 3 " + file, "DONE 1 scenario: 1 fail in",
	} {
		if got.code != exitFinding || !strings.Contains(got.stdout, want) {
			t.Errorf("want exit code 1 and %s, got %d\n%s", want, got.code, got.stdout)
		}
	}
}

// An expected failure must fail. If it passes, the list of expected failures is wrong.
func TestExpectedFailures(t *testing.T) {
	file, list := filepath.Join(t.TempDir(), "impossible.yaml"), filepath.Join(t.TempDir(), "list.yaml")
	if err := os.WriteFile(file, []byte(impossible), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, scenario, entry string
		code                  int
		want, known           string
	}{
		{"it fails as expected", file, "{scenario: mine/impossible, requirements: [LIV-01], link: FLINK-1, reason: It waits for ever.}", exitHolds, "1 xfail", "1 of 1"},
		{"it passes", "cleanup/cancel/retention=RETAIN_ON_CANCELLATION", "{scenario: cleanup, requirements: [CLN-01], link: FLINK-1, reason: It is deleted.}", exitFinding, "1 xpass", "1 of 1"},
		{"something else fails", file, "{scenario: mine/impossible, requirements: [CLN-01], link: FLINK-1, reason: It is deleted.}", exitFinding, "1 fail", "1 of 1"},
		{"the entry concerns another target", file, "{scenario: mine/impossible, target: flink, requirements: [LIV-01], link: FLINK-1, reason: It waits for ever.}", exitFinding, "1 fail", "0 of 1"},
	} {
		if err := os.WriteFile(list, []byte("- "+c.entry), 0o600); err != nil {
			t.Fatal(err)
		}
		got := snapback(t, "run", "--expected", list, c.scenario)
		if got.code != c.code || !strings.Contains(got.stdout, c.want+" in ") || !strings.Contains(got.stderr, "expected failures: "+c.known) {
			t.Errorf("%s: want %d and %s, got %d\n%s%s", c.name, c.code, c.want, got.code, got.stdout, got.stderr)
		}
	}
	if got := snapback(t, "run", "--expected", "flink", "cleanup/cancel"); got.code != exitHolds || !strings.Contains(got.stderr, "expected failures: 0 of ") {
		t.Errorf("the list that comes with Snapback: got %d\n%s", got.code, got.stderr)
	}
}

func TestAMachineThatLacksSomethingIsExitCode3(t *testing.T) {
	t.Setenv("PATH", "")
	got := snapback(t, "run", "--target", "flink", "--quiet")
	if got.code != exitInternal || !strings.Contains(got.stderr, "the target flink needs java, which is not on the PATH") {
		t.Errorf("got %d, %s", got.code, got.stderr)
	}
}

func TestASignalEndsARunInOrder(t *testing.T) {
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		command := exec.Command(binary, "run", "-v", "--runtime", "processes", "cleanup/cancel")
		command.Dir = t.TempDir()
		stderr, err := command.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := stderr.Read(make([]byte, 1)); err != nil { // the run has begun
			t.Fatal(err)
		}
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait() // the test checks the exit code below
		if got := command.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: want exit code %d, got %d", signal, want, got)
		}
	}
}

// Something that hangs, such as a file system, must not keep the program from ending.
func TestASignalEndsAProgramThatHangs(t *testing.T) {
	hanging := filepath.Join(t.TempDir(), "hanging.yaml")
	if err := syscall.Mkfifo(hanging, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "run", hanging)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(hanging, os.O_WRONLY, 0) // this waits until the program reads
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	began := time.Now()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = command.Wait()
	if took := time.Since(began); command.ProcessState.ExitCode() != exitSignal+int(syscall.SIGTERM) || took > 5*time.Second {
		t.Errorf("want exit code 143 within 5s, got %v after %s", err, took)
	}
}

func TestHelpShowsExamplesFirst(t *testing.T) {
	for _, verb := range []string{"run", "ls", "inspect", "verify", "orphans", "diff", "seal", "list", "doctor", "version", "reference", "reference run", "reference jobmanager", "reference taskmanager", "reference stop", "reference suspend"} {
		got := snapback(t, append(strings.Fields(verb), "--help")...)
		examples, usage := strings.Index(got.stdout, "Examples:\n  snapback "+verb), strings.Index(got.stdout, "Usage:")
		if got.code != exitHolds || examples < 0 || usage < examples || strings.Count(got.stdout, "\n") > 40 {
			t.Errorf("%s: want one screen with examples first, got %d\n%s", verb, got.code, got.stdout)
		}
	}
}

func TestListsAndVersions(t *testing.T) {
	for _, arguments := range [][]string{
		{"list"}, {"list", "requirements"}, {"list", "faults"}, {"list", "workloads"}, {"list", "targets"}, {"version"}, {"doctor"},
	} {
		human, program := snapback(t, arguments...), snapback(t, append(arguments, "--format", "json")...)
		if human.code != exitHolds || len(human.stdout) < 20 {
			t.Errorf("%s: %d, %s%s", arguments, human.code, human.stdout, human.stderr)
		}
		if program.code != exitHolds || !json.Valid([]byte(program.stdout)) {
			t.Errorf("%s --format json: %d, %s%s", arguments, program.code, program.stdout, program.stderr)
		}
	}
}

// A user runs a JobManager, a TaskManager and a job by hand, cancels the job, and resumes it with
// run -s.
func TestReferenceByHand(t *testing.T) {
	dir := t.TempDir()
	start := func(arguments ...string) (*exec.Cmd, *lineReader) {
		command := exec.Command(binary, append([]string{"reference"}, arguments...)...)
		stdout, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
		return command, newLineReader(stdout)
	}
	_, log := start("jobmanager")
	address := regexp.MustCompile(`"path":"([^"]+)"`).FindStringSubmatch(log.until(t, `"listening"`))[1]
	start("taskmanager", "--jobmanager", address, "--slots", "2")
	job := func(more ...string) []string {
		return append([]string{
			"run", "--jobmanager", address, "--checkpoint-dir", "file://" + dir + "/checkpoints", "--dir", dir + "/out",
			"--interval", "50ms", "--records", "2000",
		}, append(more, "counts")...)
	}
	running, _ := start(job()...)
	log.until(t, `"checkpoint completed"`)
	if err := running.Process.Signal(os.Interrupt); err != nil { // cancels the job
		t.Fatal(err)
	}
	log.until(t, `"CANCELED"`)
	retained, err := filepath.Glob(dir + "/checkpoints/*/chk-*/_metadata")
	if err != nil || len(retained) != 1 {
		t.Fatalf("want one retained checkpoint, got %q, %v", retained, err)
	}
	_, out := start(job("-s", filepath.Dir(retained[0]))...)
	out.until(t, "is FINISHED")

	command := exec.Command(binary, append([]string{"reference"}, job("-s", filepath.Dir(filepath.Dir(retained[0])))...)...)
	got := output(t, command)
	if got.code != exitUsage || !strings.Contains(got.stderr, "the JobManager refused the job, and changed nothing: cannot find meta data file '_metadata' in directory") {
		t.Errorf("got %d, %s", got.code, got.stderr)
	}
}

// lineReader waits for lines in a program's output.
type lineReader struct{ lines chan string }

func newLineReader(from io.Reader) *lineReader {
	r := &lineReader{make(chan string, 1<<16)}
	go func() {
		defer close(r.lines)
		for scanner := bufio.NewScanner(from); scanner.Scan(); {
			r.lines <- scanner.Text()
		}
	}()
	return r
}

func (r *lineReader) until(t *testing.T, want string) string {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				t.Fatalf("the program ended before it printed %s", want)
			}
			if strings.Contains(line, want) {
				return line
			}
		case <-limit:
			t.Fatalf("%s did not appear in 30 seconds", want)
		}
	}
}

// BenchmarkVersion measures one start of the program. Each process of the reference needs such a
// start. The metric cpu-ms is the processor time of one start, in milliseconds.
func BenchmarkVersion(b *testing.B) {
	var used time.Duration
	for b.Loop() {
		command := exec.Command(binary, "version")
		if err := command.Run(); err != nil {
			b.Fatal(err)
		}
		used += command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	}
	b.ReportMetric(used.Seconds()*1000/float64(b.N), "cpu-ms")
}

// For a feature that only snapback-full has, the program snapback runs snapback-full instead. If
// snapback does not find snapback-full, the error says so.
func TestTheFullProgramIsHandedOverTo(t *testing.T) {
	dir := t.TempDir()
	alone := filepath.Join(dir, "snapback")
	if err := os.Link(binary, alone); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{
		{"reference", "etcd", "--dir", dir}, {"run", "--target", "flink", "--runtime", "containers"},
	} {
		command := exec.Command(alone, arguments...)
		command.Dir, command.Env = dir, append(os.Environ(), "PATH=")
		got := output(t, command)
		if got.code != exitInternal || !strings.Contains(got.stderr, "needs the program snapback-full") || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%v: got %+v", arguments, got)
		}
	}
	command := exec.Command(binary, "reference", "etcd", "--listen", "127.0.0.1:0", "--dir", dir)
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if !strings.Contains(line, `"listening"`) {
		t.Errorf("etcd: got %q", line)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); command.ProcessState.ExitCode() != exitSignal+int(syscall.SIGTERM) {
		t.Errorf("the exit code is the full program's: got %v", err)
	}
}
