// Package servers installs and starts the real servers that suites talk to: MinIO,
// the NameNode and the DataNode of HDFS, stand-ins of Google Cloud Storage and Azure
// Blob Storage, a Docker daemon. Each listens on 127.0.0.1 alone, keeps its data in the
// directory it is given, and dies with the test.
//
// What is installed is cached, once for the machine. Nothing is skipped: what cannot be
// had is an error that says how to get it.
//
// Start with [Start].
package servers

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/snapback/snapback/harness/process"
)

//go:embed files
var files embed.FS

const (
	readyTimeout = 2 * time.Minute
	readyRetry   = 50 * time.Millisecond
	lockTimeout  = 30 * time.Minute // a build from nothing takes minutes
	lockRetry    = 200 * time.Millisecond
)

// Servers are those of one test.
type Servers struct {
	ctx     context.Context
	dir     string
	starter *process.Starter
	docker  *process.Process // nil: none was started here
}

// Start returns servers that keep their data and logs in a directory. Close ends them.
func Start(ctx context.Context, dir string) *Servers {
	return &Servers{ctx: ctx, dir: dir, starter: process.NewStarter()}
}

// Close ends all that was started.
func (s *Servers) Close() error { return errors.Join(s.endDocker(), s.starter.Close()) }

// file reads one of the files that servers are built or configured with.
func file(name string) []byte {
	data, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err) // it is part of this program
	}
	return data
}

// cached returns a directory that was filled, once for the machine and each state
// of what it is made from.
func (s *Servers) cached(name string, from []byte, fill func(dir string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(from)
	dir := filepath.Join(cache, "snapback", "servers", fmt.Sprintf("%s-%x", name, digest[:6]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	lock := flock.New(dir + ".lock")
	waiting, cancel := context.WithTimeout(s.ctx, lockTimeout)
	defer cancel()
	if _, err := lock.TryLockContext(waiting, lockRetry); err != nil {
		return "", fmt.Errorf("wait for another installation of %s: %w", name, err)
	}
	defer func() { _ = lock.Unlock() }() // the end of the process unlocks too
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return "", err
	}
	if err := fill(partial); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	return dir, os.Rename(partial, dir)
}

// run runs a program of an installation to its end.
func (s *Servers) run(dir, name string, environment []string, command ...string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("%s is not on the path: apt-get install %s", command[0], packages[command[0]])
	}
	c := exec.Command(path, command[1:]...)
	c.Dir, c.Env = dir, append(os.Environ(), environment...)
	output, err := s.starter.Run(s.ctx, dir, name, c)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, output)
	}
	return nil
}

// packages says which of Debian's packages has a program.
var packages = map[string]string{
	"go": "golang", "mvn": "maven", "java": "openjdk-17-jdk-headless", "npm": "npm", "node": "nodejs", "dockerd": "docker.io", "docker": "docker.io",
	"debootstrap": "debootstrap", "tar": "tar",
}

// buildGo builds a program from a module of its own, of which it is a tool.
func (s *Servers) buildGo(name, module string) (binary string, err error) {
	mod, sum := file(name+".mod"), file(name+".sum")
	dir, err := s.cached(name, append(mod, sum...), func(dir string) error {
		for file, data := range map[string][]byte{"go.mod": mod, "go.sum": sum} {
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
				return err
			}
		}
		return s.run(dir, "build", []string{"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", name, module)
	})
	return filepath.Join(dir, name), err
}

// start starts a server, and waits until it answers.
func (s *Servers) start(name string, command *exec.Cmd, ready func() error) (*process.Process, error) {
	server, err := s.starter.Start(s.dir, name, command)
	if err != nil {
		return nil, err
	}
	limit := time.Now().Add(readyTimeout)
	for {
		failed := ready()
		switch {
		case failed == nil:
			return server, nil
		case server.Ended() != nil:
			return nil, server.Ended()
		case s.ctx.Err() != nil:
			return nil, context.Cause(s.ctx)
		case time.Now().After(limit):
			return nil, fmt.Errorf("%s is not ready after %s: %w; see %s", name, readyTimeout, failed, server.Log)
		}
		time.Sleep(readyRetry)
	}
}

// answers says whether a URL is answered, with a text in the answer.
func answers(url, text string) func() error {
	return func() error {
		response, err := http.Get(url)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		if !strings.Contains(string(body), text) {
			return fmt.Errorf("%s answered %s without %q", url, response.Status, text)
		}
		return nil
	}
}

// FreePort asks the kernel for a port that nobody uses now.
func FreePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	return port, listener.Close()
}

func (s *Servers) makeDir(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}
