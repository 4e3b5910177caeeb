// Package realflink runs real Apache Flink in one JVM. Flink's own classes say what they read from
// a checkpoint, whether they accept it, and whether a job can be restored from it. Only the main
// class, the host, is ours (host/*.java).
//
// Suites use the package to compare our results with Flink's. It is not a target: it kills nothing.
//
// Start with [New].
package realflink

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/suites/internal/programs"
)

// lineMax is the greatest length of a line of the host's output, in bytes.
const lineMax = 16 << 20

//go:embed host/*.java
var sources embed.FS

// Flink is an installed real Flink.
type Flink struct {
	classPath []string
	plugins   string
	settings  []string
}

// New installs Flink and compiles the host, unless both are in the cache. It calls say() with
// messages for people.
func New(ctx context.Context, say func(string)) (*Flink, error) {
	target, err := flink.Provision(ctx, flink.Options{Version: flink.DefaultVersion}, say)
	if err != nil {
		return nil, err
	}
	dist, err := filepath.Glob(filepath.Join(target.Lib(), "flink-dist-*.jar"))
	if err != nil || len(dist) != 1 {
		return nil, fmt.Errorf("want one flink-dist in %s, got %q", target.Lib(), dist)
	}
	classes, err := compile(ctx, dist[0], say)
	return &Flink{classPath: []string{classes, dist[0]}}, err
}

// compile compiles the host, once for each version of its sources.
func compile(ctx context.Context, dist string, say func(string)) (string, error) {
	hash := sha256.New()
	hash.Write([]byte(dist))
	err := fs.WalkDir(sources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := sources.ReadFile(name)
		hash.Write(data)
		return err
	})
	if err != nil {
		return "", err
	}
	cache, err := flink.CacheDir()
	if err != nil {
		return "", err
	}
	classes := filepath.Join(cache, fmt.Sprintf("host-%x", hash.Sum(nil)[:8]))
	if _, err := os.Stat(classes); err == nil {
		return classes, nil
	}
	say("compiling the host of real Flink")
	dir, err := os.MkdirTemp(cache, "compile-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }() // if this fails, a directory stays in the cache
	if err := os.CopyFS(dir, sources); err != nil {
		return "", err
	}
	java, err := filepath.Glob(filepath.Join(dir, "host", "*.java"))
	if err != nil {
		return "", err
	}
	arguments := append([]string{"-proc:none", "-nowarn", "-Xlint:-options", "-cp", dist, "-d", filepath.Join(dir, "classes")}, java...)
	if output, err := exec.CommandContext(ctx, "javac", arguments...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the host: %w\n%s", errors.Join(context.Cause(ctx), err), output)
	}
	if err := os.Rename(filepath.Join(dir, "classes"), classes); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return classes, nil
}

// WithS3 returns a Flink that can also use s3://, at the given endpoint.
func (f *Flink) WithS3(plugins, endpoint, user, password string) *Flink {
	return &Flink{classPath: f.classPath, plugins: plugins, settings: []string{
		"-Ds3.endpoint=" + endpoint, "-Ds3.access-key=" + user, "-Ds3.secret-key=" + password, "-Ds3.path.style.access=true",
	}}
}

// WithHadoop returns a Flink that can also use hdfs://.
func (f *Flink) WithHadoop(jars string) *Flink {
	classPath := append([]string{}, f.classPath...)
	for _, name := range []string{"hadoop-client-api-3.4.1.jar", "hadoop-client-runtime-3.4.1.jar"} {
		classPath = append(classPath, filepath.Join(jars, name))
	}
	return &Flink{classPath: classPath}
}

// Run runs one of the host's commands in the given directory, which holds the command's output. It
// decodes each line that the command prints.
func Run[Line any](ctx context.Context, f *Flink, dir string, arguments ...string) ([]Line, error) {
	all := []string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx768m", "--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED",
		"-cp", strings.Join(f.classPath, string(os.PathListSeparator)), "snapback.host.Host",
	}
	command := exec.Command("java", append(append(all, f.settings...), arguments...)...)
	command.Env = append(os.Environ(), "FLINK_PLUGINS_DIR="+f.plugins)
	command.Dir = dir
	output, err := programs.Run(ctx, dir, logOf(arguments[0]), command)
	if err != nil {
		return nil, fmt.Errorf("flink %s: %w\n%s", arguments[0], err, output)
	}
	return decode[Line](arguments[0], output)
}

// logOf returns the name of the log of a command.
func logOf(command string) string { return "flink-" + command }

// Printed decodes the lines that a running command has printed so far. The directory must be the
// directory that the caller gave to [Run].
func Printed[Line any](dir, command string) ([]Line, error) {
	output, err := os.ReadFile(filepath.Join(dir, logOf(command)+".log"))
	if err != nil {
		return nil, err
	}
	whole := output[:bytes.LastIndexByte(output, '\n')+1]
	return decode[Line](command, string(whole))
}

func decode[Line any](command, output string) ([]Line, error) {
	var lines []Line
	scanner := bufio.NewScanner(strings.NewReader(output))
	scanner.Buffer(nil, lineMax)
	for scanner.Scan() {
		if !strings.HasPrefix(scanner.Text(), "{") {
			continue // a logger printed this line
		}
		var line Line
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("flink %s printed %q: %w", command, scanner.Text(), err)
		}
		lines = append(lines, line)
	}
	return lines, scanner.Err()
}

// Written is a line that the host's command write prints. The line names the checkpoints and
// savepoints that one job wrote.
type Written struct {
	Name  string
	Job   string
	Paths []string // URLs of checkpoints and savepoints
}

// Resumed is a line that the host's command resume prints. The line says whether a job could resume
// from a checkpoint or savepoint.
type Resumed struct {
	Path       string
	Restored   bool  // true if all subtasks ran and every key could be read
	Consistent *bool // true if the counts were equal to the counts in the checkpoint; nil: unknown
	Error      string

	Checkpoints []string // URLs of the checkpoints that the job took; empty if the job had no directory for checkpoints
}

// These are the events of a job that the command live prints.
const (
	Started = "started"
	Ended   = "ended"
)

// Lived is a line that the host's command live prints when a job starts or ends. The fields after
// Claimed are set only if the job has ended.
type Lived struct {
	Event   string // Started or Ended
	Job     string
	Claimed string // URL of the checkpoint that the job started from

	Completed  int64 // number of completed checkpoints
	Failed     int64 // number of failed checkpoints, except those that were aborted by the end of the job
	Restarts   int
	Causes     []string // causes of failed checkpoints and causes of restarts
	Consistent bool     // true if no record was lost or counted twice
	Status     string
}

// Loaded is a line that the host's command load prints. The line says whether Flink could load a
// `_metadata` file.
type Loaded struct {
	File  string
	OK    bool
	Error string
}

// Cell is a line that the host's command retention prints. The line is about one job: a combination
// of a cleanup mode and a way in which the job ended.
type Cell struct {
	Cell        string
	Dir         string // URL
	Job         string
	Status      string
	Checkpoints []int64 // ids of the completed checkpoints, oldest first
	Savepoint   string
	Error       string
}

// Unrestorable is the line that the host's command flink39964 prints. The command takes a
// checkpoint that cannot be restored because of Flink's bug FLINK-39964.
type Unrestorable struct{ Savepoint, Path string }
