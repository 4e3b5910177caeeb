package power

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/snapback/snapback/harness"
)

// Module is the path of the module whose source mutants change.
const Module = "github.com/snapback/snapback"

// The packages of the programs that are built with a mutant.
const (
	Hunter   = "./suites/power/hunter" // runs the suites
	Snapback = "./cmd/snapback"        // replays a case
)

// Workshop is where mutants are built: beside each other, with the build cache that they
// share. The source is only read.
type Workshop struct {
	Source string // root of the module
	Dir    string // for what is built; exists
}

// FindSource finds the source that a directory is in.
func FindSource(dir string) (string, error) {
	list := exec.Command("go", "list", "-m", "-f", "{{.Path}}\n{{.Dir}}")
	list.Dir = dir
	out, err := list.Output()
	path, root, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || path != Module {
		return "", harness.Usagef("mutants are built from Snapback's source, and %s is not in it: give --source, a clone of %s", dir, Module)
	}
	return root, nil
}

// Museum is the directory of the mutants that come with the source.
func Museum(source string) string { return filepath.Join(source, "reference", "mutants") }

// Build builds a program of the source with a mutant in it; with none, as it is.
func (w Workshop) Build(ctx context.Context, pkg, name string, m *Mutant) (program string, err error) {
	program = filepath.Join(w.Dir, name)
	arguments := []string{"build", "-o", program, "-ldflags", "-s -w"}
	if pkg == Hunter {
		arguments = append(arguments, "-tags", "simulated") // a tenth of the size
	}
	if m != nil {
		overlay, err := w.overlay(ctx, name, *m)
		if err != nil {
			return "", err
		}
		arguments = append(arguments, "-overlay", overlay)
	}
	build := exec.CommandContext(ctx, "go", append(arguments, pkg)...)
	build.Dir = w.Source
	if out, err := build.CombinedOutput(); ctx.Err() != nil {
		return "", ctx.Err()
	} else if err != nil && m != nil {
		return "", harness.Usagef("mutant %s does not compile: %s", m.ID, strings.TrimSpace(string(out)))
	} else if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return program, nil
}

// overlay applies a mutant to copies of the files that it changes, and writes down for the
// compiler which file is to be read in place of which.
func (w Workshop) overlay(ctx context.Context, name string, m Mutant) (file string, err error) {
	copies := filepath.Join(w.Dir, name+".source")
	replaced := map[string]string{}
	for _, changed := range m.Changes {
		original, changed := filepath.Join(w.Source, filepath.FromSlash(changed)), filepath.Join(copies, filepath.FromSlash(changed))
		data, err := os.ReadFile(original)
		if errors.Is(err, os.ErrNotExist) {
			return "", harness.Usagef("mutant %s no longer applies: there is no %s", m.ID, original)
		} else if err != nil {
			return "", err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(changed), 0o755), os.WriteFile(changed, data, 0o644)); err != nil {
			return "", err
		}
		replaced[original] = changed
	}
	diff, err := filepath.Abs(m.File)
	if err != nil {
		return "", err
	}
	apply := exec.CommandContext(ctx, "git", "apply", diff)
	apply.Dir, apply.Env = copies, append(os.Environ(), "GIT_CEILING_DIRECTORIES="+w.Dir) // it is in no repository
	if out, err := apply.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("apply mutants: %w; install git", err)
	} else if err != nil {
		return "", harness.Usagef("mutant %s no longer applies: %s", m.ID, strings.TrimSpace(string(out)))
	}
	data, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	file = filepath.Join(w.Dir, name+".json")
	return file, os.WriteFile(file, data, 0o644)
}

// Hunt has a hunter that was built hunt.
func (w Workshop) Hunt(ctx context.Context, program string, order Order) (Hunted, error) {
	arguments, err := json.Marshal(order)
	if err != nil {
		return Hunted{}, err
	}
	command := exec.CommandContext(ctx, program)
	command.Dir, command.Stdin = w.Dir, strings.NewReader(string(arguments))
	out, err := command.Output()
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Hunted{}, ctx.Err()
	case errors.As(err, &failed):
		return Hunted{}, fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, failed.Stderr)
	case err != nil:
		return Hunted{}, err
	}
	var hunted Hunted
	return hunted, json.Unmarshal(out, &hunted)
}
