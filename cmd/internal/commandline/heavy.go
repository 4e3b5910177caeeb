package commandline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/snapback/snapback/cmd/internal/doctor"
	"github.com/snapback/snapback/harness/targets/flink"
)

// full is the program that links everything.
const full = "snapback-full"

// installFull is how a user gets it.
const installFull = "go install github.com/snapback/snapback/cmd/..."

// Heavy is what needs libraries that double the time that a program needs to start.
// Few runs need it, but every process of the reference would pay for it. So only the program
// snapback-full links it, and snapback hands over to that program.
type Heavy struct {
	// Containers returns the place of a Flink whose processes run in containers of an
	// image.
	Containers func(image string) flink.Place

	// Etcd starts an etcd of one member at host:port, with its data in a directory. It
	// returns where etcd listens and what ends it.
	Etcd func(address, dir string) (at string, stop func(), err error)
}

// findFull returns the path of snapback-full: beside this program, or on the path.
func findFull() (string, error) {
	this, err := os.Executable()
	if err != nil {
		return "", err
	}
	if this, err = filepath.EvalSymlinks(this); err != nil {
		return "", err
	}
	beside := filepath.Join(filepath.Dir(this), full)
	if _, err := os.Stat(beside); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return beside, err
	}
	return exec.LookPath(full)
}

// handOver replaces this process by snapback-full, with the same arguments. It returns only
// if that fails. What is asked for is named in the error.
func handOver(what string) error {
	program, err := findFull()
	if err != nil {
		return fmt.Errorf("%s needs the program %s, which is neither beside this one nor on the path: %s", what, full, installFull)
	}
	return fmt.Errorf("run %s: %w", program, syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ()))
}

// fullCheck says whether this machine has snapback-full.
func fullCheck() doctor.Check {
	check := doctor.Check{Name: full, For: "--runtime containers, and several JobManagers with --runtime processes; all else runs without", Remedy: installFull}
	program, err := findFull()
	if err != nil {
		check.Found = err.Error()
		return check
	}
	check.OK, check.Found = true, program
	return check
}
