// Package servers installs and starts the real servers that suites use: MinIO, the NameNode and the
// DataNode of HDFS, stand-ins for Google Cloud Storage and Azure Blob Storage, and a Docker daemon.
// Each server listens only on 127.0.0.1, keeps its data in a given directory, and ends with the
// test.
//
// [Install] installs what is missing, once on a machine. Users call it with the command
// suites/servers/install. No spec installs anything. If something is missing, a spec fails at once,
// and its error names that command.
//
// Start with [Start].
package servers

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/snapback/snapback/suites/internal/programs"
)

//go:embed files
var files embed.FS

const (
	readyTimeout = 2 * time.Minute
	readyRetry   = 50 * time.Millisecond
)

// Servers holds the servers of one test.
type Servers struct {
	ctx     context.Context
	dir     string
	started []*programs.Program
	docker  *programs.Program // the daemon that this package started; nil if it started none
}

// Start returns servers that keep their data and logs in a directory. The method Close ends them.
func Start(ctx context.Context, dir string) *Servers {
	return &Servers{ctx: ctx, dir: dir}
}

// Close ends all servers.
func (s *Servers) Close() error {
	failed := s.endDocker()
	for _, program := range s.started {
		failed = errors.Join(failed, program.Kill())
	}
	return failed
}

// file reads an embedded file that is needed to build or configure a server.
func file(name string) []byte {
	data, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err) // the file is part of this program
	}
	return data
}

// start starts a server, and waits until it answers.
func (s *Servers) start(name string, command *exec.Cmd, ready func() error) (*programs.Program, error) {
	server, err := programs.Start(s.dir, name, command)
	if err != nil {
		return nil, err
	}
	s.started = append(s.started, server)
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

// answers returns a function. The function checks that a URL answers, and that the answer contains
// the given text.
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

func (s *Servers) makeDir(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}
