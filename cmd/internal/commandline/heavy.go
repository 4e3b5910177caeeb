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

// full is the name of the program that has a [Heavy].
const full = "snapback-full"

// installFull is the command with which a user installs that program.
const installFull = "go install github.com/snapback/snapback/cmd/..."

// Heavy holds the features whose libraries double the start time of a program. Few runs need these
// features, but every process of the reference would start more slowly. So only the program
// snapback-full links the libraries, and snapback hands over to that program.
type Heavy struct {
	// Containers returns a place that runs each Flink process in a container of the image.
	Containers func(image string) flink.Place

	// Etcd starts an etcd with one member at address, which is host:port. The directory dir holds
	// its data. Etcd returns the address at which it listens, and a function that stops it.
	Etcd func(address, dir string) (at string, stop func(), err error)
}

// findFull returns the path of snapback-full. It looks beside this program, then on the PATH.
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

// handOver replaces this process by snapback-full, with the same arguments. It returns only if that
// fails. The error names the feature that needs snapback-full.
func handOver(feature string) error {
	program, err := findFull()
	if err != nil {
		return fmt.Errorf("%s needs the program %s, which is neither beside this program nor on the PATH; install it: %s", feature, full, installFull)
	}
	return fmt.Errorf("run %s: %w", program, syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ()))
}

// fullCheck checks whether this machine has snapback-full.
func fullCheck() doctor.Check {
	check := doctor.Check{Name: full, For: "--runtime containers, and several JobManagers with --runtime processes; everything else works without it", Remedy: installFull}
	program, err := findFull()
	if err != nil {
		check.Found = err.Error()
		return check
	}
	check.OK, check.Found = true, program
	return check
}
