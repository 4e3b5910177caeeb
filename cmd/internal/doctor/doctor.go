// Package doctor checks which tools and abilities of the machine a run can use, and says how to get
// the missing ones. It installs nothing.
//
// Start with [Examine].
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/snapback/snapback/faults/fuse"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/flink/kafka"
	"github.com/snapback/snapback/storage/filesystem"
)

// commandTimeout is the longest time that a tool may need to print its version.
const commandTimeout = 20 * time.Second

// Check is one thing that a run may need, and whether the machine has it.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	For    string `json:"for"`    // the runs that need this thing
	Remedy string `json:"remedy"` // how to install this thing
}

// Examine checks the machine.
func Examine(ctx context.Context) []Check {
	return []Check{
		{Name: "machine", OK: true, Found: fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())},
		storageCheck(),
		tool(ctx, Check{Name: "java", For: "--target flink", Remedy: "apt-get install openjdk-17-jdk-headless"}, "java", "-version"),
		tool(ctx, Check{Name: "javac", For: "--target flink", Remedy: "apt-get install openjdk-17-jdk-headless"}, "javac", "-version"),
		tool(ctx, Check{Name: "python3 venv", For: "--target flink without a FLINK_HOME", Remedy: "apt-get install python3-venv"},
			"python3", "-c", "import ensurepip, sys; print(sys.version.split()[0])"),
		tool(ctx, Check{Name: "maven", For: "Flink's connectors and plugins: s3, hdfs, Kafka; everything else works without it", Remedy: "apt-get install maven"}, "mvn", "--batch-mode", "--version"),
		flinkCheck(),
		memoryCheck(),
		kafkaCheck(),
		tool(ctx, Check{Name: "docker", For: "--runtime containers; everything else works without it", Remedy: "apt-get install docker.io, and start dockerd"},
			"docker", "version", "--format", "server {{.Server.Version}}"),
		fuseCheck(),
		tool(ctx, Check{Name: "umount", For: "the removal of mounts, which need fuse", Remedy: "apt-get install util-linux"}, "umount", "--version"),
	}
}

func tool(ctx context.Context, check Check, name string, arguments ...string) Check {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	output, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	switch {
	case err == nil:
		check.OK, check.Found = true, lines[0]
	case errors.Is(err, exec.ErrNotFound):
		check.Found = name + " is not on the PATH"
	default:
		check.Found = fmt.Sprintf("%s (%v)", lines[len(lines)-1], err) // the last line of the output says why the tool failed
	}
	return check
}

// storageCheck tries the file operations that a checkpoint needs, in the working directory.
func storageCheck() Check {
	check := Check{
		Name: "file system here", For: "--runtime processes", Remedy: "work in a directory on a local file system, with permission to write there",
	}
	if err := tryStorage(); err != nil {
		check.Found = err.Error()
		return check
	}
	check.OK, check.Found = true, "create, sync, rename and directory sync work"
	return check
}

func tryStorage() (err error) {
	dir, err := os.MkdirTemp(".", ".snapback-doctor-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	files, name := filesystem.Local{}, filepath.Join(dir, "a")
	if err := filesystem.WriteFile(files, name, []byte("a")); err != nil {
		return err
	}
	if err := files.Rename(name, filepath.Join(dir, "b")); err != nil {
		return err
	}
	return files.SyncDir(dir)
}

func flinkCheck() Check {
	check := Check{
		Name: "flink " + flink.DefaultVersion, For: "--target flink",
		Remedy: "the first run with --target flink installs it",
	}
	if home := os.Getenv("FLINK_HOME"); home != "" {
		check.Name, check.OK, check.Found = "flink", true, home+" (FLINK_HOME)"
		return check
	}
	dir, err := flink.CacheDir()
	var installed []string
	if err == nil {
		installed, err = filepath.Glob(filepath.Join(dir, "[0-9]*", "lib"))
	}
	var versions []string
	for _, lib := range installed {
		if version := filepath.Base(filepath.Dir(lib)); !strings.HasSuffix(version, ".partial") { // an installation that was interrupted
			versions = append(versions, version)
		}
	}
	switch check.OK = slices.Contains(versions, flink.DefaultVersion); {
	case err != nil:
		check.Found = err.Error()
	case len(versions) == 0:
		check.Found = "not installed yet"
	default:
		check.Found = strings.Join(versions, ", ") + " in " + dir + "; ZooKeeper, RocksDB and the changelog are part of it"
	}
	return check
}

// memoryNeeded is the memory that a cluster of Flink with a JobManager and two TaskManagers needs.
const memoryNeeded = 2 << 30 // bytes

// memoryCheck checks whether a cluster of Flink has room. Without room the kernel kills a JVM, which
// looks like a fault that nobody ordered.
func memoryCheck() Check {
	check := Check{
		Name: "memory", For: "--target flink",
		Remedy: fmt.Sprintf("end other programs, or use a machine with %d GiB of free memory", memoryNeeded>>30),
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		check.OK, check.Found = true, "unknown: only Linux says how much memory is free"
		return check
	}
	var kilobytes int
	_, line, _ := strings.Cut(string(text), "MemAvailable:")
	if _, err := fmt.Sscan(line, &kilobytes); err != nil {
		check.Found = "unknown: /proc/meminfo does not name MemAvailable"
		return check
	}
	check.OK, check.Found = kilobytes<<10 >= memoryNeeded, fmt.Sprintf("%.1f GiB free", float64(kilobytes)/(1<<20))
	return check
}

// kafkaCheck checks whether the broker and the connector for the default version of Flink are
// installed.
func kafkaCheck() Check {
	check := Check{
		Name: "kafka " + kafka.Version, For: "scenarios with Kafka on --target flink",
		Remedy: "the first run of such a scenario installs it, with mvn",
	}
	dir, err := flink.CacheDir()
	if err != nil {
		check.Found = err.Error()
		return check
	}
	connector, err := kafka.Connector(flink.DefaultVersion)
	if err != nil {
		check.Found = err.Error()
		return check
	}
	for name, jars := range map[string]string{"the broker": kafka.BrokerDir(dir), "flink-connector-kafka " + connector: kafka.ConnectorDir(dir, connector)} {
		if _, err := os.Stat(jars); err != nil {
			check.Found = name + " is not installed yet"
			return check
		}
	}
	check.OK, check.Found = true, "with flink-connector-kafka "+connector+", in "+dir
	return check
}

// fuseCheck checks whether this process may mount a directory with FUSE.
func fuseCheck() Check {
	check := Check{
		Name: "fuse", For: "faults at operations on storage and power losses, on Flink; everything else works without it",
		Remedy: "run as root, on a machine or in a container with " + fuse.Device + " (docker run --device " + fuse.Device + " --cap-add SYS_ADMIN)",
	}
	device, err := os.OpenFile(fuse.Device, os.O_RDWR, 0)
	if err != nil {
		check.Found = err.Error()
		return check
	}
	_ = device.Close() // nothing was written
	check.OK, check.Found = os.Geteuid() == 0, fuse.Device
	if !check.OK {
		check.Found += ", and not root"
	}
	return check
}
