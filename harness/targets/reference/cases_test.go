package reference_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/run"
	"github.com/snapback/snapback/harness/targets/reference"
	"github.com/snapback/snapback/scenarios"
)

// cases is the directory of scenarios after public bug reports about Flink. The catalogue is another
// directory with scenarios.
const (
	cases   = "testdata/cases"
	catalog = "../../../scenarios/catalogue"
)

// read reads a scenario of the catalogue or, if its name is a single word, a case. Before that it
// replaces parts of the text. The parts come in pairs: an old part, and the new part.
func read(t *testing.T, name string, replacements ...string) scenarios.Scenario {
	t.Helper()
	dir := cases
	if strings.Contains(name, "/") {
		dir = catalog
	}
	text, err := os.ReadFile(filepath.Join(dir, name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(string(text), replacements[i]) {
			t.Fatalf("%s does not contain %q", name, replacements[i])
		}
	}
	parsed, err := scenarios.Parse(name, []byte(strings.NewReplacer(replacements...).Replace(string(text))))
	if err != nil {
		t.Fatal(err)
	}
	return parsed[0]
}

// runOne runs a scenario. It also returns what the run told people.
func runOne(t *testing.T, s scenarios.Scenario) (run.Result, string) {
	t.Helper()
	var said strings.Builder
	runner := run.Runner{Target: reference.Simulated{}, Seed: 1, Timeout: time.Minute, Progress: func(_, what string) { said.WriteString(what + "\n") }}
	result, _ := runner.RunOne(context.Background(), s)
	return result, said.String()
}

func TestEachCasePasses(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(cases, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if result, said := runOne(t, read(t, name)); result.Verdict != oracle.Pass {
			t.Errorf("%s: %s %s %+v\n%s", name, result.Verdict, result.Reason, result.Findings, said)
		}
	}
}

// A variant of a case has another verdict, for the reason that it was made for.
func TestVariantsOfCases(t *testing.T) {
	for _, c := range []struct {
		what, name string
		replace    []string
		want       oracle.Verdict
		why        string // is in the reason, or in a finding
	}{
		{"a refusal with other words", "recovery/max-parallelism", []string{`"parallelism"`, `"the moon"`}, oracle.Fail, `a refusal that says "the moon"`},
		{"a refusal that does not come", "recovery/max-parallelism", []string{"maxParallelism: 2", "maxParallelism: 8"}, oracle.Fail, "job second was accepted, although it must be refused"},
		{"a pattern without a file", "recovery/damaged-metadata", []string{"chk-1/_metadata\", how: delete", "chk-9/_metadata\", how: delete"}, oracle.Void, `no file matched the damage: delete "*/chk-9/_metadata"`},
		{"a restoration without a damage", "recovery/damaged-metadata", []string{"chk-1/_metadata\", how: truncate", "chk-1/_metadata\", how: restore"}, oracle.Void, `no file matched the damage: restore`},
		{"no such checkpoint", "recovery/older-checkpoint", []string{"{checkpoint: 2}", "{checkpoint: 7}"}, oracle.Void, "job first has no checkpoint 7 on storage to resume from, but [3 2 1]"},
		{"no checkpoint at a path", "recovery/older-checkpoint", []string{"{checkpoint: 2}", "{path: /nowhere/chk-2}"}, oracle.Error, "want the path of a checkpoint or savepoint"},
		{"an operation that does not exist", "ha-pointer", []string{"(Read ", "(Open "}, oracle.Skip, "it can never fire on reference (simulated): there are no operations of the kind Open"},
		{"a fault that finds no operation", "ha-pointer", []string{`(Read "*/_metadata")`, `(Read "*/nothing")`}, oracle.Void, `(Fail ENOENT (On (Read "*/nothing"))) never fired: no operation on storage matched it`},
		{"a fault that counts too far", "ha-pointer", []string{`(Read "*/_metadata")`, `(Read "*/_metadata" (Nth 900))`}, oracle.Void, "of the 900 operations that it counts came"},
		{"a backend that the target does not have", "stuck-sync", []string{"tolerable: 2", "tolerable: 2, backend: rocksdb"}, oracle.Skip, "job.backend: rocksdb: reference (simulated) does not honour it"},
		{"another name for a backend", "stuck-sync", []string{"tolerable: 2", "tolerable: 2, backend: hashmap"}, oracle.Pass, ""},
		{"a setting that the target does not know", "stuck-sync", []string{"tolerable: 2", "tolerable: 2, settings: {table.optimizer: fast}"}, oracle.Skip, "job.settings.table.optimizer: fast: reference (simulated) does not honour it"},
		{"a process that runs no more", "no-claim-aborted-first", []string{"  - submit: {job: third", "  - fault: (Kill same)\n  - submit: {job: third"}, oracle.Void, "(Kill same) could not fire: the process of the fault before runs no more"},
	} {
		result, said := runOne(t, read(t, c.name, c.replace...))
		found := result.Reason
		for _, f := range result.Findings {
			found += "\n" + f.Problem + ": " + f.Expected + ": " + f.Found
		}
		if result.Verdict != c.want || !strings.Contains(found, c.why) {
			t.Errorf("%s: want %s, …%s…; got %s, %s\n%s", c.what, c.want, c.why, result.Verdict, found, said)
		}
	}
}

// The fault of job second is not told as one of job third, and a process that was slowed down is the
// one that runs at full speed again.
func TestFiguresOfCases(t *testing.T) {
	result, _ := runOne(t, read(t, "no-claim-aborted-first"))
	var jobs []string
	for _, r := range result.Numbers.Recoveries {
		jobs = append(jobs, r.Job)
	}
	if !slices.Equal(jobs, []string{"second", "second", "third"}) {
		t.Errorf("got %v", jobs)
	}
	result, _ = runOne(t, read(t, "slow-sync"))
	if slow := result.Numbers.Recoveries; len(slow) != 2 || slow[0].Process != slow[1].Process || slow[1].Restored == 0 {
		t.Errorf("got %v", slow)
	}
}

func TestARestoreFromASavepointIsCalledSo(t *testing.T) {
	_, said := runOne(t, read(t, "stop-commit-fails"))
	if want := "restored from savepoint 2\n"; !strings.Contains(said, want) {
		t.Errorf("want %q in\n%s", want, said)
	}
}

// A file is restored with the bytes that it had before the first of several damages.
func TestDamageIsUndone(t *testing.T) {
	result, said := runOne(t, read(t, "recovery/damaged-metadata", "how: truncate}", "how: truncate}\n  - damage: {file: \"*/chk-1/_metadata\", how: flip}"))
	if result.Verdict != oracle.Pass || strings.Count(said, "damage: ") != 5 {
		t.Errorf("%s %s %v\n%s", result.Verdict, result.Reason, result.Findings, said)
	}
}

// The configuration of a submission takes effect.
func TestTheConfigurationOfASubmissionTakesEffect(t *testing.T) {
	s := read(t, "recovery/max-parallelism", "maxParallelism: 2, ", "maxParallelism: 32, ", "parallelism: 3", "parallelism: 3, with: {maxParallelism: 64}", `"parallelism"`, `"64"`)
	if result, said := runOne(t, s); result.Verdict != oracle.Pass {
		t.Errorf("%s %s %v\n%s", result.Verdict, result.Reason, result.Findings, said)
	}
}

// A setting of a job takes effect: without restarts the job fails for good.
func TestASettingTakesEffect(t *testing.T) {
	const submits, waits = "restarts: 3, tolerable: 2}", "status: RESTARTING"
	s := read(t, "stuck-sync", submits, "restarts: 3, tolerable: 2, settings: {restart-strategy.type: none}}", waits, "status: FAILED")
	if result, said := runOne(t, s); result.Verdict != oracle.Pass {
		t.Errorf("%s %s %v\n%s", result.Verdict, result.Reason, result.Findings, said)
	}
}
