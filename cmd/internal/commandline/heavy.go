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

// full is the name of the program that passes a [Heavy] to [Main].
const full = "snapback-full"

// installFull is the command with which a user installs snapback-full.
const installFull = "go install github.com/snapback/snapback/cmd/..."

// Heavy holds the features that need large libraries. These libraries double the start time of a
// program. Each process of the reference would start more slowly, but few runs need the features.
// So only the program snapback-full links the libraries. The program snapback runs snapback-full
// instead of itself if a command needs one of the features.
type Heavy struct {
	// Containers returns a place that runs each Flink process in a container of the given image.
	Containers func(image string) flink.Place

	// Etcd starts an etcd with one member. The member listens at the given address, in the form
	// host:port, and keeps its data in the directory dir. Etcd returns the address at which the
	// member listens, and a function that stops the member.
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
// fails. If snapback-full does not exist, the error names the feature that needs it.
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
