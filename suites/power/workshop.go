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

// module is the path of the Go module whose source the mutants change.
const module = "github.com/snapback/snapback"

// These are the packages of the programs that are built with a mutant.
const (
	Hunter   = "./suites/power/hunter" // runs the suites
	Snapback = "./cmd/snapback"        // replays a case
)

// Workshop builds mutants. It can build several at the same time. It does not change the source.
type Workshop struct {
	Source string // root of the module
	Dir    string // an existing directory for the programs
}

// FindSource returns the root of Snapback's source. The given directory must lie in this source.
func FindSource(dir string) (string, error) {
	list := exec.Command("go", "list", "-m", "-f", "{{.Path}}\n{{.Dir}}")
	list.Dir = dir
	out, err := list.Output()
	path, root, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || path != module {
		return "", harness.Usagef("mutants are built from Snapback's source, and %s is not in it: give --source, a clone of %s", dir, module)
	}
	return root, nil
}

// Museum returns the directory of the mutants that come with the source.
func Museum(source string) string { return filepath.Join(source, "reference", "mutants") }

// Build builds a program with the given name from a package of the source, with a mutant in it. If
// the mutant is nil, Build builds the source as it is.
func (w Workshop) Build(ctx context.Context, pkg, name string, m *Mutant) (program string, err error) {
	program = filepath.Join(w.Dir, name)
	arguments := []string{"build", "-o", program, "-ldflags", "-s -w"}
	if pkg == Hunter {
		arguments = append(arguments, "-tags", "simulated") // this tag makes the program ten times smaller
	}
	if m != nil {
		overlay, err := w.overlay(name, *m)
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

// overlay writes changed copies of the files that a mutant changes. It also writes an overlay file.
// The overlay file tells the compiler to read the copies instead of the source. The method overlay
// returns the name of the overlay file.
func (w Workshop) overlay(name string, m Mutant) (string, error) {
	code, err := readSource(w.Source)
	if err != nil {
		return "", err
	}
	changed, err := code.edit(m)
	if err != nil {
		return "", err
	}
	replaced := map[string]string{}
	for _, e := range changed {
		file := filepath.FromSlash(e.file.name)
		copied := filepath.Join(w.Dir, name+".source", file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(copied), 0o755), os.WriteFile(copied, []byte(e.text()), 0o644)); err != nil {
			return "", err
		}
		replaced[filepath.Join(w.Source, file)] = copied
	}
	data, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(w.Dir, name+".json")
	return overlay, os.WriteFile(overlay, data, 0o644)
}

// Hunt runs a built hunter, and returns its result.
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
