package flink

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink/kafka"
	"github.com/snapback/snapback/scenarios/workload"
)

// connectorSources are the Java files of the workload counts with connectors of Flink instead of
// our own. The folder common belongs to all of them. Each other folder is one program.
//
//go:embed connectors
var connectorSources embed.FS

// defaultTransactionTimeout is the time after which Kafka aborts a transaction that nobody
// committed, if the scenario names no time.
const defaultTransactionTimeout = time.Minute

// program is a program that Flink runs as a job.
type program struct {
	jar, class string
	folder     string // of a program with connectors: the folder of its source
}

// programFor returns the program without its jar.
func programFor(w workload.Workload) program {
	switch {
	case w.OnKafka():
		return program{class: "snapback.connectors.KafkaCounts", folder: "kafka"}
	case w.Connectors == workload.FileSink:
		return program{class: "snapback.connectors.FileSinkCounts", folder: "filesink"}
	}
	return program{class: mainClass}
}

// Prepare installs and compiles what a job with the given connectors needs, unless it is in the
// cache. It calls say() with messages for people.
func (t Target) Prepare(ctx context.Context, connectors string, say func(string)) error {
	_, err := t.program(ctx, workload.Workload{Connectors: connectors}, say)
	return err
}

// program returns the program that runs a workload.
func (t Target) program(ctx context.Context, w workload.Workload, say func(string)) (program, error) {
	p := programFor(w)
	if p.folder == "" {
		p.jar = t.jar
		return p, nil
	}
	cache, err := CacheDir()
	if err != nil {
		return program{}, err
	}
	unlock, err := lock(ctx, filepath.Join(cache, "connectors.lock"))
	if err != nil {
		return program{}, err
	}
	defer unlock()
	libraries, err := t.libraries(ctx, cache, w, say)
	if err != nil {
		return program{}, err
	}
	p.jar, err = t.compileWith(ctx, cache, p.folder, libraries, say)
	return p, err
}

// libraries returns the jars that a program with connectors needs besides Flink's own.
func (t Target) libraries(ctx context.Context, cache string, w workload.Workload, say func(string)) ([]string, error) {
	if !w.OnKafka() {
		return filepath.Glob(filepath.Join(t.lib, "flink-connector-files-*.jar"))
	}
	connector, err := kafka.Connector(t.version)
	if err != nil {
		return nil, err
	}
	if w.Connectors == workload.KafkaPooling && strings.HasPrefix(connector, "3.") {
		return nil, harness.Usagef("connectors: %s: want flink-connector-kafka 4.0.0 or newer, got %s, the newest for Flink %s", w.Connectors, connector, t.version)
	}
	if _, err := kafka.Install(ctx, cache, say); err != nil {
		return nil, err
	}
	dir, err := kafka.InstallConnector(ctx, cache, connector, say)
	if err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(dir, "*.jar"))
}

// compileWith compiles the program in a folder into a jar. The libraries go into the folder lib of
// the jar, from which Flink loads them only for this job.
func (t Target) compileWith(ctx context.Context, cache, folder string, libraries []string, say func(string)) (string, error) {
	names, text, err := sourcesOf("common", folder)
	if err != nil {
		return "", err
	}
	if len(libraries) == 0 {
		return "", fmt.Errorf("%s holds no jar of the connector that the workload needs", t.lib)
	}
	for _, library := range libraries {
		text = append(text, filepath.Base(library)...)
	}
	digest := sha256.Sum256(text)
	jar := filepath.Join(cache, fmt.Sprintf("workload-%s-%s-%x.jar", folder, t.version, digest[:8]))
	if _, err := os.Stat(jar); err == nil {
		return jar, nil
	}
	say(fmt.Sprintf("compiling the workload with %s for Flink %s", folder, t.version))
	dir, err := os.MkdirTemp(cache, "compile-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }() // if this fails, a directory stays in the cache
	if err := os.CopyFS(dir, connectorSources); err != nil {
		return "", err
	}
	classes, err := t.javac(ctx, cache, "compile-"+folder, dir, names, libraries)
	if err != nil {
		return "", err
	}
	if err := copyInto(filepath.Join(classes, "lib"), libraries); err != nil {
		return "", err
	}
	partial := filepath.Join(dir, "job.jar")
	if err := pack(classes, partial); err != nil {
		return "", err
	}
	return jar, os.Rename(partial, jar)
}

// sourcesOf returns the names of the Java files in folders, and all their text.
func sourcesOf(folders ...string) (names []string, text []byte, err error) {
	for _, folder := range folders {
		found, err := fs.Glob(connectorSources, "connectors/"+folder+"/*.java")
		if err != nil {
			return nil, nil, err
		}
		for _, name := range found {
			source, err := connectorSources.ReadFile(name)
			if err != nil {
				return nil, nil, err
			}
			text = append(text, source...)
		}
		names = append(names, found...)
	}
	return names, text, nil
}

func copyInto(dir string, names []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// argumentsFor returns the program's command-line arguments. The program with Kafka has more
// arguments than the others.
func (c *client) argumentsFor(submission target.Submission) []string {
	w := submission.Workload
	if !w.OnKafka() {
		return arguments(submission)
	}
	naming := "INCREMENTING"
	if w.Connectors == workload.KafkaPooling {
		naming = "POOLING"
	}
	return append(arguments(submission),
		"--servers", c.broker.Address,
		"--transaction-timeout-ms", strconv.FormatInt(transactionTimeout(w).Milliseconds(), 10),
		"--naming", naming)
}

// transactionTimeout returns the time after which Kafka aborts a transaction that nobody committed.
func transactionTimeout(w workload.Workload) time.Duration {
	return cmp.Or(w.TransactionTimeout, defaultTransactionTimeout)
}

// brokered is a cluster that can have a Kafka broker beside it. The broker runs if the scenario
// needs the feature [scenarios.Kafka].
type brokered struct{ *cluster }

// Brokers implements [target.Brokered].
func (c brokered) Brokers() []string { return c.processes.Brokers.Names() }

// StartBrokers implements [target.Brokered].
func (c brokered) StartBrokers(ctx context.Context) error { return c.startBroker(ctx) }

// Submit writes the input of the workload to Kafka before the first job, and submits the job.
func (c brokered) Submit(ctx context.Context, submission target.Submission) (string, error) {
	if submission.Workload.OnKafka() && !c.filled {
		if err := c.broker.Fill(ctx, submission.Workload); err != nil {
			return "", err
		}
		c.filled, c.held = true, transactionTimeout(submission.Workload)
	}
	return c.cluster.Submit(ctx, submission)
}

// abortDelay is the time that a Kafka on a busy machine may need to end a transaction whose time is over.
const abortDelay = 2 * time.Minute

// Deliver implements [target.Brokered].
func (c brokered) Deliver(ctx context.Context) (transactions []history.Transaction, err error) {
	if !c.filled {
		return nil, nil // no job was submitted
	}
	if err := c.startBroker(ctx); err != nil { // a scenario may leave the broker killed
		return nil, err
	}
	committed, err := c.broker.Committed(ctx, c.held+abortDelay)
	if err != nil {
		return nil, err
	}
	for _, t := range committed.Transactions {
		ended := history.Transaction{BeganMicros: t.Began.Sub(c.began).Microseconds()}
		if at := t.Ended.Sub(c.began).Microseconds(); t.Aborted {
			ended.AbortedMicros = at
		} else {
			ended.CommittedMicros = at
		}
		transactions = append(transactions, ended)
	}
	held := fmt.Appendf(nil, "%d\n", committed.Waited.Milliseconds())
	return transactions, errors.Join(c.write(committed.Lines), os.WriteFile(filepath.Join(c.dir, HeldUpName), held, 0o644))
}

// write writes lines that Kafka has committed to the directories of their jobs.
func (c brokered) write(lines []kafka.Line) error {
	written := map[string]*strings.Builder{}
	for _, line := range lines {
		name := filepath.Join(c.work, line.Job, workload.CommittedName, fmt.Sprintf("partition-%d", line.Partition))
		if written[name] == nil {
			written[name] = &strings.Builder{}
		}
		written[name].WriteString(line.Text + "\n")
	}
	for name, text := range written {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// HeldUpName is the name of a file in the directory of a cluster. It holds the milliseconds for
// which open transactions hid output from readers after the last step.
const HeldUpName = "readers-held-up-ms"

// startBroker starts the broker, unless it runs, and waits until it answers.
func (c *cluster) startBroker(ctx context.Context) error {
	err := c.processes.Brokers.Fill(1, func(name string) (process.Worker, error) {
		return c.room.Start(ctx, name, name, "", c.broker.Command())
	})
	if err != nil {
		return err
	}
	return c.broker.Await(ctx, c.processes.Brokers.Ended)
}

// openBroker prepares a broker and starts it.
func (c *cluster) openBroker(ctx context.Context) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	if err := c.target.Prepare(ctx, workload.Kafka, c.target.say); err != nil {
		return err
	}
	c.broker, err = kafka.New(func(name string, command *exec.Cmd) (string, error) {
		return c.starter.Run(ctx, c.dir, name, command)
	}, kafka.BrokerDir(cache), filepath.Join(c.dir, "kafka"))
	if err != nil {
		return err
	}
	return c.startBroker(ctx)
}
