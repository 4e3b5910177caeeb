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
)

// openMount lets the checkpoints and the output of jobs go through a mount, if the scenario has faults at operations on
// storage. Operations on the mount pass through a tap.
func (c *cluster) openMount() (err error) {
	if !slices.Contains(c.spec.Needs, scenarios.Tap) {
		return nil
	}
	c.taps, c.sets = tap.New(layout.Flink{}), make(chan func())
	c.taps.Run = func(set func()) {
		done := make(chan struct{})
		c.sets <- func() {
			defer close(done)
			set()
		}
		<-done
	}
	if c.mount, err = fuse.New(filepath.Join(c.dir, "storage"), c.taps, c.processOf); err != nil {
		return err
	}
	c.root, c.work = filepath.Join(c.mount.Dir, "checkpoints"), filepath.Join(c.mount.Dir, "work")
	// The harness reads files on the mount directly. Its own reads never fire a fault.
	c.files = split{FileSystem: filesystem.Local{}, mounted: c.mount.Files(), dir: c.mount.Dir}
	return nil
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

// Tap implements [target.Tapped].
func (c local) Tap() *tap.Tap { return c.taps }

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

// closeMount ends the processes, and lets the faults of their last operations happen meanwhile.
func (c *cluster) closeMount(end func() error) error {
	var failed error
	c.rest.serving(func() { failed = end() })
	c.taps.Disarm()
	return failed
}
