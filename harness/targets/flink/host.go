package flink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
)

const hostClass = "snapback.host.Minicluster"

// host is a JVM that runs clusters, one at a time.
type host struct {
	starter  *process.Starter
	jvm      *process.Process
	commands string // URL
	served   int    // number of clusters that the JVM ran to their end
}

// hostFlags are the flags of a host's JVM. They bound its memory.
var hostFlags = []string{"-Xmx1g", "-XX:MaxDirectMemorySize=4g", "-XX:+ExitOnOutOfMemoryError"}

var commandsLine = regexp.MustCompile(`commands (http://\S+);`)

// startHost starts a JVM, and waits until it accepts commands. The files of the JVM are in the
// directory of the client.
func startHost(ctx context.Context, c *client, name string) (*host, error) {
	command, err := c.java(name, "", hostFlags, hostClass)
	if err != nil {
		return nil, err
	}
	h := &host{starter: c.starter}
	if h.jvm, err = c.starter.Start(c.dir, name, command); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for said := process.NewTail(h.jvm.Log); ; {
		lines, err := said.Lines()
		if err == nil {
			err = h.jvm.Ended()
		}
		for _, line := range lines {
			if m := commandsLine.FindStringSubmatch(line); m != nil {
				h.commands = m[1]
				return h, nil
			}
		}
		if err != nil {
			return nil, errors.Join(err, h.jvm.Kill())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for the JVM to accept commands: %w; see %s", ctx.Err(), h.jvm.Log), h.jvm.Kill())
		case <-time.After(pollEvery):
		}
	}
}

// command sends a command to the JVM, and returns the answer.
func (h *host) command(ctx context.Context, path string, arguments ...string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.commands+path, strings.NewReader(strings.Join(arguments, "\n")))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, text)
	}
	return string(text), errors.Join(err, response.Body.Close())
}

// A pool replaces a JVM that ran servedMax clusters, or whose heap is fuller than usedPercentMax
// after a garbage collection. It collects garbage after collectEvery clusters, because a collection
// costs as much as a short job. It kills a JVM that does not end a cluster within endTimeout. This is
// long, because on a busy machine a new JVM costs much more than some seconds of waiting.
const (
	servedMax      = 200
	usedPercentMax = 50
	collectEvery   = 5
	endTimeout     = 20 * time.Second
)

// end ends the cluster in the JVM. It says whether the JVM can run another cluster. It does not wait
// for the end once the channel is closed.
func (h *host) end(stopped <-chan struct{}) (again bool) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	go func() {
		select {
		case <-stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	if _, err := h.command(ctx, "/end"); err != nil {
		return false // the JVM has ended or hangs; the run that used it knows
	}
	if h.served++; h.served%collectEvery > 0 {
		return true
	}
	answer, err := h.command(ctx, "/collect")
	var used, most int64
	if _, scanned := fmt.Sscan(answer, &used, &most); err != nil || scanned != nil {
		return false
	}
	return h.served < servedMax && used*100 < most*usedPercentMax
}

// Pool is a [Minicluster] that does not start a JVM for each cluster: a JVM runs one cluster after
// the other. Each cluster has its own configuration, directories and log. So a run on a pool is
// like a run on a Minicluster, but needs a fraction of the time.
//
// Two clusters of a pool never run in the same JVM at the same time. If a JVM crashes, only the run
// that uses it fails.
type Pool struct {
	Minicluster

	dir string // directory for the configuration and the logs of the JVMs

	mu      sync.Mutex
	idle    []*host
	started int              // number of JVMs that were started so far
	others  map[string]*Pool // the pools of the releases to which clusters were upgraded; they end with this pool
}

// NewPool returns a pool without JVMs. It starts a JVM when a run needs one. The directory holds the
// files of the JVMs.
func NewPool(m Minicluster, dir string) (*Pool, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Pool{Minicluster: m, dir: absolute}, nil
}

// Start implements [target.Target].
func (p *Pool) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	return p.start(ctx, spec, p)
}

// Close ends the JVMs of the pool. No cluster of the pool may run any more.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed error
	for _, h := range p.idle {
		failed = errors.Join(failed, h.starter.Close())
	}
	p.idle = nil
	for _, other := range p.others {
		failed = errors.Join(failed, other.Close())
	}
	return failed
}

// take returns a JVM in which no cluster runs.
func (p *Pool) take(ctx context.Context) (*host, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		h := p.idle[0]
		p.idle = p.idle[1:]
		if h.jvm.Ended() == nil {
			p.mu.Unlock()
			return h, nil
		}
		if err := h.starter.Close(); err != nil {
			p.mu.Unlock()
			return nil, err
		}
	}
	p.started++
	c := client{target: p.Target, starter: process.NewStarter(), dir: filepath.Join(p.dir, fmt.Sprintf("jvm-%d", p.started))}
	p.mu.Unlock()
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	if err := c.writeConfig(""); err != nil {
		return nil, err
	}
	h, err := startHost(ctx, &c, "minicluster")
	if err != nil {
		return nil, errors.Join(err, c.starter.Close())
	}
	return h, nil
}

// give takes back a JVM, and ends the cluster in it. If the channel is closed, the run was stopped,
// and the JVM is killed.
func (p *Pool) give(h *host, stopped <-chan struct{}) error {
	if !h.end(stopped) {
		return h.starter.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, h)
	return nil
}
