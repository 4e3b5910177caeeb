package servers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios/workload"
	"github.com/snapback/snapback/suites/internal/programs"
)

// Command is the command line that installs everything that the suites need. Errors name this
// command.
const Command = "go run ./suites/servers/install"

const (
	lockTimeout = 30 * time.Minute // a long time, because a first build needs minutes
	lockRetry   = 200 * time.Millisecond
)

// part is a program or a set of files that the suites need, such as Hadoop or MinIO. It is
// installed once on a machine.
type part struct {
	name string
	from []byte // the source of the part; if it changes, the part gets a new directory
	fill func(ctx context.Context, dir string) error
}

// parts returns everything that [Install] installs.
func parts() []part {
	return []part{hadoop(), azurite(), javaRoot(), fakeGCS(), minIO()}
}

// OlderFlink is a second release of Flink that the suites test, besides [flink.DefaultVersion].
const OlderFlink = "1.20.5"

// FormerFlink is a release of Flink whose jobs the suites upgrade by way of [OlderFlink]: the newest
// release cannot restore them.
const FormerFlink = "1.18.1"

// Install installs the missing parts. It calls say() with messages for people.
func Install(ctx context.Context, say func(string)) error {
	for _, p := range parts() {
		if _, err := p.installed(); err == nil {
			continue
		}
		say("installing " + p.name)
		if err := p.install(ctx); err != nil {
			return err
		}
	}
	for _, version := range []string{flink.DefaultVersion, OlderFlink} {
		target, err := flink.Provision(ctx, flink.Options{Version: version}, say)
		if err == nil && version == flink.DefaultVersion {
			_, err = target.S3Plugin(ctx, say)
		}
		if err != nil {
			return err
		}
		for _, connectors := range []string{workload.Kafka, workload.FileSink} {
			if err := target.Prepare(ctx, connectors, say); err != nil {
				return err
			}
		}
	}
	_, err := flink.Provision(ctx, flink.Options{Version: FormerFlink}, say)
	return err
}

// dir returns the directory of the part.
func (p part) dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(p.from)
	return filepath.Join(cache, "snapback", "servers", fmt.Sprintf("%s-%x", p.name, digest[:6])), nil
}

// installed returns the directory of an installed part. Only [Install] installs a part, so that no
// spec waits for a download or a build.
func (p part) installed() (string, error) {
	dir, err := p.dir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "", missing(p.name)
	}
	return dir, nil
}

func missing(name string) error { return fmt.Errorf("%s is not installed; run: %s", name, Command) }

func (p part) install(ctx context.Context) error {
	dir, err := p.dir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock := flock.New(dir + ".lock")
	waiting, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	if _, err := lock.TryLockContext(waiting, lockRetry); err != nil {
		return fmt.Errorf("wait for another installation of %s: %w", p.name, err)
	}
	defer func() { _ = lock.Unlock() }() // if this fails, the end of the process unlocks
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	partial := dir + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.MkdirAll(partial, 0o755)); err != nil {
		return err
	}
	if err := p.fill(ctx, partial); err != nil {
		return fmt.Errorf("install %s: %w", p.name, err)
	}
	return os.Rename(partial, dir)
}

// run runs a program to its end. The program's output goes to the file {name}.log in the directory
// dir.
func run(ctx context.Context, dir, name string, environment []string, command ...string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("%s is not on the PATH; run apt-get install %s", command[0], packages[command[0]])
	}
	c := exec.Command(path, command[1:]...)
	c.Dir, c.Env = dir, append(os.Environ(), environment...)
	output, err := programs.Run(ctx, dir, name, c)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, output)
	}
	return nil
}

// packages names, for each program, the Debian package that contains this program.
var packages = map[string]string{
	"go": "golang", "mvn": "maven", "java": "openjdk-17-jdk-headless", "npm": "npm", "node": "nodejs", "dockerd": "docker.io", "docker": "docker.io",
	"debootstrap": "debootstrap", "tar": "tar",
}

// goProgram returns the part that builds a Go program. The program is built as a tool of a Go
// module of its own, so that this module does not depend on it.
func goProgram(name, module string) part {
	mod, sum := file(name+".mod"), file(name+".sum")
	return part{name: name, from: append(mod, sum...), fill: func(ctx context.Context, dir string) error {
		for file, data := range map[string][]byte{"go.mod": mod, "go.sum": sum} {
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
				return err
			}
		}
		return run(ctx, dir, "build", []string{"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", name, module)
	}}
}

// Flink returns an installed release of Flink, as a target.
func Flink(ctx context.Context, version string) (flink.Target, error) {
	ctx, say := NothingToInstall(ctx)
	return flink.Provision(ctx, flink.Options{Version: version}, say)
}

// FlinkUpgrade returns an installed release of Flink, as a target whose scenarios can upgrade to the
// next release.
func FlinkUpgrade(ctx context.Context, version, next string) (flink.Target, error) {
	ctx, say := NothingToInstall(ctx)
	return flink.Provision(ctx, flink.Options{Version: version, Next: next}, say)
}

// FlinkWith returns an installed release of Flink, as a target whose jobs can have the given
// connectors.
func FlinkWith(ctx context.Context, version, connectors string) (flink.Target, error) {
	under, err := Flink(ctx, version)
	if err != nil {
		return flink.Target{}, err
	}
	ctx, say := NothingToInstall(ctx)
	return under, under.Prepare(ctx, connectors, say)
}

// FlinkS3Plugin returns a directory of plugins for an installed release of Flink. It contains Flink's
// file system for S3.
func FlinkS3Plugin(ctx context.Context, version string) (string, error) {
	installed, err := Flink(ctx, version)
	if err != nil {
		return "", err
	}
	ctx, say := NothingToInstall(ctx)
	return installed.S3Plugin(ctx, say)
}

// NothingToInstall returns arguments for a function that may install something, such as
// [flink.Provision]. When that function reports that it installs something, the returned context is
// canceled. The cause of the cancellation is an error that names the [Command].
func NothingToInstall(ctx context.Context) (context.Context, func(string)) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, func(what string) { cancel(fmt.Errorf("a spec installs nothing (%s); run: %s", what, Command)) }
}
