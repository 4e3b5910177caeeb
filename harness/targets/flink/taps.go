package flink

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/fuse"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/targets/internal/layout"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

// openStorage prepares the place for checkpoints. If the scenario has faults at operations on
// storage, the operations pass through a tap: on S3 in a proxy, and on this machine in a mount. On
// this machine the output of jobs passes through the mount, too.
func (c *cluster) openStorage() (err error) {
	t := c.target
	remote := t.Objects != nil || t.Hadoop != nil
	if remote {
		c.root, c.files = t.newRoot(), schemes.New()
	}
	if t.Objects != nil {
		c.stored = t.Objects.settings(t.Objects.Endpoint)
	}
	if !slices.Contains(c.spec.Needs, scenarios.Tap) {
		if !remote {
			err = os.MkdirAll(c.root, 0o755)
		}
		return err
	}
	if s := t.survived; s != nil {
		c.taps, c.sets, c.mount = s.taps, s.sets, s.mount
		c.root, c.work, c.files = s.root, s.work, s.files
		return nil
	}
	c.taps, c.sets = newTap()
	if t.Objects != nil {
		c.proxy, c.stored, err = t.Objects.proxied(c.taps)
		return err
	}
	if c.mount, err = fuse.New(filepath.Join(c.dir, "storage"), c.taps, c.processOf); err != nil {
		return err
	}
	c.root, c.work = filepath.Join(c.mount.Dir, "checkpoints"), filepath.Join(c.mount.Dir, "work")
	// The harness reads files on the mount directly. Its own reads never fire a fault.
	c.files = split{FileSystem: filesystem.Local{}, mounted: c.mount.Files(), dir: c.mount.Dir}
	return os.MkdirAll(c.root, 0o755)
}

// newTap returns a tap, and a channel for the functions of its faults. The operation that a fault
// hits waits until somebody has received and called the function.
func newTap() (*tap.Tap, chan func()) {
	taps, sets := tap.New(layout.Flink{}), make(chan func())
	taps.Run = func(set func()) {
		done := make(chan struct{})
		sets <- func() {
			defer close(done)
			set()
		}
		<-done
	}
	return taps, sets
}

var (
	tgidLine  = regexp.MustCompile(`(?m)^Tgid:\s+(\d+)$`)
	logOption = regexp.MustCompile(`-Dsnapback\.log=([^\x00]+)\.flink\.log\x00`)
)

// processOf returns the name of the process of the cluster to which a thread belongs. The options of
// each process contain its name. A thread of another process counts as a thread of a TaskManager.
func (c *cluster) processOf(thread int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return string(faults.TaskManager) // the process has ended meanwhile
	}
	if id := tgidLine.FindSubmatch(status); id != nil {
		number, _ := strconv.Atoi(string(id[1])) // cannot fail, because the pattern matches only digits
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", number))
		if name := logOption.FindSubmatch(line); name != nil {
			return filepath.Base(string(name[1]))
		}
	}
	return string(faults.TaskManager)
}

// localTapped is a cluster of processes of this machine, whose operations on checkpoints can pass
// through a tap.
type localTapped struct{ local }

// Tap implements [target.Tapped].
func (c localTapped) Tap() *tap.Tap { return c.taps }

// killInOperation kills a process. The process may be in the middle of an operation on the mount, and
// cannot end before the operation ends. So killInOperation does not wait for the end of the process.
func (c *cluster) killInOperation(name string) error {
	worker, err := c.processes.Release(name)
	if err != nil {
		return err
	}
	c.dying = append(c.dying, worker)
	return worker.(*process.Process).Signal(syscall.SIGKILL)
}

// closeTap ends the processes, and lets the faults of their last operations happen meanwhile.
func (c *cluster) closeTap(end func() error) error {
	var failed error
	serve(c.sets, func() { failed = end() })
	c.taps.Disarm()
	return failed
}
