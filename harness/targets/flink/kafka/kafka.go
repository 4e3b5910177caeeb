// Package kafka installs Apache Kafka, runs one broker, writes the input of a workload to it, and
// reads the output of jobs from it. The broker is also its own controller, so Kafka is one process.
// All its addresses are on this machine's loopback.
//
// The package runs no job and kills nothing: package flink does.
//
// Start with [Install], then with [New].
package kafka

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snapback/snapback/faults/network"
)

//go:embed files
var files embed.FS

// file returns an embedded file.
func file(name string) []byte {
	data, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err) // the file is part of this program
	}
	return data
}

const (
	loopback     = "127.0.0.1"
	readyTimeout = 90 * time.Second
	readyRetry   = 50 * time.Millisecond
	clusterID    = "c25hcGJhY2stc25hcGJhYw" // any 16 bytes in base64
)

var configTemplate = template.Must(template.New("server.properties").Parse(string(file("server.properties"))))

// jvmFlags let the broker start fast on a machine with few cores, and need little memory.
var jvmFlags = []string{
	"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto", "-Xmx384m", "-Djava.net.preferIPv4Stack=true",
}

// Broker is a Kafka broker with the data of one cluster. Its process can be killed and started
// again: the data stays.
type Broker struct {
	Address string // the address to which clients connect

	jars   string // path of the directory with Kafka's jars
	dir    string // path of the directory with the configuration and the data
	client *kgo.Client
}

// New prepares a broker, which keeps its configuration and its data in the directory dir. The
// parameter jars is the directory that [Install] returns. The function run runs a command to its
// end, and returns its output.
func New(run func(name string, command *exec.Cmd) (output string, err error), jars, dir string) (*Broker, error) {
	brokerPort, err := network.FreePort()
	if err != nil {
		return nil, err
	}
	controllerPort, err := network.FreePort()
	if err != nil {
		return nil, err
	}
	b := &Broker{Address: net.JoinHostPort(loopback, brokerPort), jars: jars, dir: dir}
	var text bytes.Buffer
	if err := configTemplate.Execute(&text, map[string]string{"Dir": dir, "Port": brokerPort, "ControllerPort": controllerPort}); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{"server.properties": text.Bytes(), "log4j.properties": file("log4j.properties")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return nil, err
		}
	}
	output, err := run("format-kafka", b.java("kafka.tools.StorageTool", "format", "-t", clusterID, "-c", b.config()))
	if err != nil {
		return nil, fmt.Errorf("format the broker's storage: %w\n%s", err, output)
	}
	b.client, err = kgo.NewClient(kgo.SeedBrokers(b.Address), kgo.MetadataMinAge(readyRetry))
	return b, err
}

func (b *Broker) config() string { return filepath.Join(b.dir, "server.properties") }

// java returns the command that runs one of Kafka's classes.
func (b *Broker) java(class string, arguments ...string) *exec.Cmd {
	all := append([]string{"-Dlog4j2.configurationFile=file://" + filepath.Join(b.dir, "log4j.properties"), "-cp", filepath.Join(b.jars, "*"), class}, arguments...)
	command := exec.Command("java", append(append([]string{}, jvmFlags...), all...)...)
	command.Dir = b.dir
	return command
}

// Command returns the command that runs the broker.
func (b *Broker) Command() *exec.Cmd { return b.java("kafka.Kafka", b.config()) }

// Await waits until the broker answers, and leads every partition that it has.
func (b *Broker) Await(ctx context.Context, ended func() error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		failed := b.ready(ctx)
		if failed == nil {
			return nil
		}
		if err := ended(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the broker: %w: %w", ctx.Err(), failed)
		case <-time.After(readyRetry):
		}
	}
}

// ready returns an error as long as the broker does not answer, or does not lead a partition.
func (b *Broker) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	metadata, err := kadm.NewClient(b.client).Metadata(ctx)
	if err != nil {
		return err
	}
	if len(metadata.Brokers) == 0 {
		return errors.New("the broker is not registered yet")
	}
	return metadata.Topics.Error()
}

// Close closes the connections to the broker.
func (b *Broker) Close() { b.client.Close() }
