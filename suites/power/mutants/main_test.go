package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/power"
)

// binary is the path of the program. TestMain builds it, and the tests run it as users do.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "snapback-mutants-*")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "mutants")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, output))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

type outcome struct {
	code           int
	stdout, stderr string
}

// output runs a program in a new directory.
func output(t *testing.T, program string, arguments ...string) outcome {
	t.Helper()
	command := exec.Command(program, arguments...)
	command.Dir = t.TempDir()
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func root(t *testing.T) string {
	t.Helper()
	source, err := power.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestBadInputIsRefusedByName(t *testing.T) {
	source, empty := root(t), t.TempDir()
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--frob"}, "unknown flag: --frob; see: --help"},
		{[]string{"--runs", "0"}, "--runs, --parallel and --clean: want at least 1, 1 and 0, got 0, "},
		{[]string{"--format", "xml"}, `--format: want human or json, got "xml"`},
		{[]string{"FLINK-1"}, "mutants are built from Snapback's source, and . is not in it: give --source, a clone of github.com/snapback/snapback"},
		{[]string{"--source", source, "FLINK-1"}, `there is no mutant "FLINK-1"; see: go run ./suites/power/mutants --list`},
		{[]string{"--source", source, "--dir", empty}, "mutants: there is no .diff file in "},
		{[]string{"--source", source, "--replay", "case.json"}, "--replay: want one mutant, got 0"},
	} {
		got := output(t, binary, c.arguments...)
		if got.code != exitUsage || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
			t.Errorf("%q: want exit code %d and …%s…, got %d\n%s%s", c.arguments, exitUsage, c.want, got.code, got.stdout, got.stderr)
		}
	}
}

func TestMutantsAreListed(t *testing.T) {
	got := output(t, binary, "--source", root(t), "--list", "canary")
	if want := "canary  records are missing from the output  [REC-02]\n"; got.code != exitAsExpected || got.stdout != want {
		t.Errorf("want %q, got %d %q\n%s", want, got.code, got.stdout, got.stderr)
	}
}

// The program rewrites the diffs of mutants that apply to the source. It names each mutant that
// does not apply.
func TestDiffsAreRefreshed(t *testing.T) {
	source, museum := root(t), t.TempDir()
	canary, err := os.ReadFile(filepath.Join(power.Museum(source), "canary.diff"))
	if err != nil {
		t.Fatal(err)
	}
	for id, text := range map[string]string{
		"moved": strings.NewReplacer("id: canary", "id: moved", "/sink.go", "/gone.go").Replace(string(canary)),
		"away":  strings.NewReplacer("id: canary", "id: away", "s.lines", "s.rows").Replace(string(canary)),
	} {
		if err := os.WriteFile(filepath.Join(museum, id+".diff"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := output(t, binary, "--source", source, "--dir", museum, "--refresh")
	if got.code != exitUsage || got.stdout != "rewritten: moved\nDONE 2 mutants, 1 rewritten\n" || !strings.Contains(got.stderr, "mutant away no longer applies") {
		t.Errorf("got %d %s%s", got.code, got.stdout, got.stderr)
	}
	got = output(t, binary, "--source", source, "--dir", museum, "--refresh", "moved")
	if got.code != exitAsExpected || got.stdout != "DONE 1 mutants, 0 rewritten\n" {
		t.Errorf("again: got %d %s%s", got.code, got.stdout, got.stderr)
	}
}

// The program plants a mistake, finds it, makes the case smaller, and replays the case.
func TestAMutantIsFoundAndReplayed(t *testing.T) {
	source, cases := root(t), t.TempDir()
	got := output(t, binary, "--source", source, "--cases", cases, "--quiet", "FLINK-21351")
	if got.code != exitAsExpected || !strings.Contains(got.stdout, "FLINK-21351  CLN-01") || !strings.Contains(got.stdout, "DONE 2 mutants, all as they must; ") {
		t.Fatalf("want exit code %d, got %d\n%s%s", exitAsExpected, got.code, got.stdout, got.stderr)
	}
	saved := filepath.Join(cases, "FLINK-21351.json")
	got = output(t, binary, "--source", source, "--minimize", "--replay", saved, "FLINK-21351")
	if got.code != exitUnexpected || !strings.Contains(got.stderr, "making the case smaller") || !strings.Contains(got.stdout, "CLN-01: job first is CANCELED") {
		t.Errorf("with the mistake: want exit code %d, got %d\n%s%s", exitUnexpected, got.code, got.stdout, got.stderr)
	}
	snapback, err := power.Workshop{Source: source, Dir: t.TempDir()}.Build(context.Background(), power.Snapback, "snapback", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got = output(t, snapback, "replay", saved); got.code != exitAsExpected {
		t.Errorf("without it: want exit code %d, got %d\n%s%s", exitAsExpected, got.code, got.stdout, got.stderr)
	}
}
