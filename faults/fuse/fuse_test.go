package fuse_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/fuse"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/storage/filesystem"
)

// killedVariable is an environment variable that names a directory. The test starts this program
// again with the variable. The program then mounts the directory, and the test kills it.
const killedVariable = "SNAPBACK_TEST_MOUNT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedVariable); dir != "" {
		_, err := fuse.New(dir, tap.New(nil), func(int) string { return "me" })
		fmt.Println("mounted", err)
		select {}
	}
	os.Exit(m.Run())
}

func TestTheMountGoesWithTheHarnessHoweverThatEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mount")
	killed := exec.Command(os.Args[0])
	killed.Env = append(os.Environ(), killedVariable+"="+dir)
	output, err := killed.StdoutPipe()
	must(t, err)
	must(t, killed.Start())
	said, err := bufio.NewReader(output).ReadString('\n')
	must(t, err)
	isMounted := func() bool {
		mounts, err := os.ReadFile("/proc/self/mounts")
		must(t, err)
		return strings.Contains(string(mounts), dir)
	}
	if !isMounted() {
		t.Fatalf("there is no mount: %s", said)
	}
	must(t, killed.Process.Kill())
	_ = killed.Wait() // an error is expected, because the process was killed
	for deadline := time.Now().Add(10 * time.Second); isMounted(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the mount outlived the harness")
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mounted(t *testing.T, armed ...string) (*fuse.Mount, *atomic.Int64) {
	t.Helper()
	taps, fired := tap.New(nil), &atomic.Int64{} // atomic, because the mount calls the function below on its own goroutines
	for _, text := range armed {
		fault, err := faults.Parse(text)
		must(t, err)
		must(t, taps.Arm(fault, nil, func(tap.Operation) bool {
			fired.Add(1)
			return false
		}))
	}
	m, err := fuse.New(filepath.Join(t.TempDir(), "mount"), taps, func(int) string { return "me" })
	must(t, err)
	t.Cleanup(func() { must(t, m.Close()) })
	return m, fired
}

// The mount behaves like the file system of the machine.
// A process in another mount namespace may hold a copy of the mount. Programs that start sandboxes or
// containers beside the harness have such processes.
func TestTheMountClosesAlthoughAnotherNamespaceHoldsACopy(t *testing.T) {
	mount, err := fuse.New(filepath.Join(t.TempDir(), "mount"), tap.New(nil), func(int) string { return "me" })
	must(t, err)
	holder := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", "echo copied; exec sleep 60")
	output, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	defer func() { _, _ = holder.Process.Kill(), holder.Wait() }()
	_, err = bufio.NewReader(output).ReadString('\n')
	must(t, err)
	copied := filepath.Join(fmt.Sprintf("/proc/%d/root", holder.Process.Pid), mount.Dir)
	_, err = os.ReadDir(copied)
	must(t, err)

	began := time.Now()
	must(t, mount.Close())
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("want the mount closed within 2s, got %s", took)
	}
	if _, err := os.ReadDir(copied); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("read the copy: want %v, got %v", syscall.ENOTCONN, err)
	}
}

// An operation that never ends must not keep the harness from ending.
func TestTheMountClosesAlthoughAnOperationNeverEnds(t *testing.T) {
	stuck, release := make(chan struct{}), make(chan struct{})
	mount, err := fuse.New(filepath.Join(t.TempDir(), "mount"), tap.New(nil), func(int) string {
		close(stuck)
		<-release
		return "me"
	})
	must(t, err)
	defer close(release)
	go func() { _ = os.WriteFile(filepath.Join(mount.Dir, "file"), nil, 0o600) }()
	<-stuck
	if err := mount.Close(); err == nil || !strings.Contains(err.Error(), "an operation on it has not ended") {
		t.Errorf("want an error that names the operation, got %v", err)
	}
}

// A fault that a mount cannot apply would fire and change nothing.
func TestAFaultOfObjectStoresIsRefused(t *testing.T) {
	taps := tap.New(nil)
	mount, err := fuse.New(filepath.Join(t.TempDir(), "mount"), taps, func(int) string { return "me" })
	must(t, err)
	defer func() { must(t, mount.Close()) }()
	for text, refused := range map[string]bool{"(Refuse (On (Put)))": true, "(Fail EIO (On (Write)))": false} {
		fault, err := faults.Parse(text)
		must(t, err)
		if err := taps.Arm(fault, nil, nil); (err != nil) != refused {
			t.Errorf("%s: want refused %v, got %v", text, refused, err)
		}
	}
}

func TestItIsAFileSystem(t *testing.T) {
	m, _ := mounted(t)
	files := filesystem.Local{}
	dir := m.Dir + "/job/chk-1"
	must(t, files.MkdirAll(dir))
	must(t, filesystem.WriteWhole(files, dir+"/_metadata", dir+"/._metadata.inprogress.x", []byte("metadata")))
	must(t, os.WriteFile(dir+"/state", []byte("state"), 0o600))
	must(t, os.WriteFile(dir+"/state", []byte("st"), 0o600)) // this call empties the file and writes it again
	data, err := os.ReadFile(dir + "/state")
	if string(data) != "st" || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
	entries, err := files.List(dir)
	if err != nil || len(entries) != 2 || entries[0].Size != 8 {
		t.Errorf("listed %+v, %v", entries, err)
	}
	if err := os.Remove(dir); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("removed a directory with something in it: %v", err)
	}
	must(t, filesystem.RemoveAll(files, m.Dir+"/job"))
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("removed, and still there: %v", err)
	}
	if _, err := os.ReadFile(m.Dir + "/nothing"); !os.IsNotExist(err) {
		t.Errorf("want no file, got %v", err)
	}
}

func TestFaultsAreSeenThroughTheKernel(t *testing.T) {
	for text, holds := range map[string]func(m *fuse.Mount) bool{
		`(Fail ENOSPC (On (Write "*/state")))`: func(m *fuse.Mount) bool {
			return errors.Is(os.WriteFile(m.Dir+"/state", []byte("x"), 0o600), syscall.ENOSPC)
		},
		`(Fail EIO (On (Rename "*/b")))`: func(m *fuse.Mount) bool {
			return os.WriteFile(m.Dir+"/a", nil, 0o600) == nil && errors.Is(os.Rename(m.Dir+"/a", m.Dir+"/b"), syscall.EIO) && os.Rename(m.Dir+"/a", m.Dir+"/b") == nil
		},
		`(Short 3 (On (Write "*/state")))`: func(m *fuse.Mount) bool {
			err := os.WriteFile(m.Dir+"/state", []byte("state"), 0o600)
			data, _ := os.ReadFile(m.Dir + "/state")
			return errors.Is(err, syscall.ENOSPC) && string(data) == "sta"
		},
		`(Drop (On (Sync "*/state")))`: func(m *fuse.Mount) bool {
			err := filesystem.WriteFile(filesystem.Local{}, m.Dir+"/state", []byte("state"))
			data, _ := os.ReadFile(m.Dir + "/state")
			return errors.Is(err, syscall.EIO) && len(data) == 0
		},
		`(Flip 1 (On (Read "*/state")))`: func(m *fuse.Mount) bool {
			_ = os.WriteFile(m.Dir+"/state", []byte("state"), 0o600)
			first, _ := os.ReadFile(m.Dir + "/state")
			second, _ := os.ReadFile(m.Dir + "/state")
			return string(first) == "suate" && string(second) == "state"
		},
		`(Truncate 2 (On (Read "*/state")))`: func(m *fuse.Mount) bool {
			_ = os.WriteFile(m.Dir+"/state", []byte("state"), 0o600)
			first, _ := os.ReadFile(m.Dir + "/state")
			return string(first) == "st"
		},
		`(Stale (On (List "*")))`: func(m *fuse.Mount) bool {
			_ = os.WriteFile(m.Dir+"/a", nil, 0o600)
			_ = os.WriteFile(m.Dir+"/b", nil, 0o600)
			first, _ := os.ReadDir(m.Dir)
			second, _ := os.ReadDir(m.Dir)
			return len(first) == 1 && len(second) == 2
		},
		`(Throttle 1 (On (Any "*/d")))`: func(m *fuse.Mount) bool {
			first, second := os.Mkdir(m.Dir+"/d", 0o700), os.Mkdir(m.Dir+"/d", 0o700)
			return errors.Is(first, syscall.EAGAIN) && second == nil
		},
		`(Lose (On (Mkdir "*/d")))`: func(m *fuse.Mount) bool {
			err := os.Mkdir(m.Dir+"/d", 0o700)
			_, there := os.Stat(m.Dir + "/d")
			return errors.Is(err, syscall.EIO) && there == nil
		},
	} {
		m, fired := mounted(t, text)
		if !holds(m) || fired.Load() != 1 {
			t.Errorf("%s: fired %d times, or does not do what it claims", text, fired.Load())
		}
	}
}

// A power loss loses all data that are not durable. A process that reads through the kernel sees
// this.
func TestAPowerLoss(t *testing.T) {
	m, _ := mounted(t)
	must(t, filesystem.WriteFile(filesystem.Local{}, m.Dir+"/a", []byte("a")))
	must(t, filesystem.Local{}.SyncDir(m.Dir))
	must(t, filesystem.WriteFile(filesystem.Local{}, m.Dir+"/b", []byte("b")))
	var left *filesystem.Memory
	m.Disk(func(disk *filesystem.Memory) {
		left = disk.Crash(filesystem.Model{Level: filesystem.POSIX}, func(int) int { return 0 })
	})
	m.Replace(left)
	if _, err := os.Stat(m.Dir + "/a"); err != nil {
		t.Errorf("what was durable is lost: %v", err)
	}
	if _, err := os.Stat(m.Dir + "/b"); !os.IsNotExist(err) {
		t.Errorf("what was not durable is there: %v", err)
	}
}

// BenchmarkSmallFile writes and syncs a small file: once through the mount and, for comparison,
// once on the file system of the machine.
func BenchmarkSmallFile(b *testing.B) {
	for name, dir := range map[string]func() string{
		"local": b.TempDir,
		"mount": func() string {
			m, err := fuse.New(filepath.Join(b.TempDir(), "mount"), tap.New(nil), func(int) string { return "" })
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = m.Close() })
			return m.Dir
		},
	} {
		b.Run(name, func(b *testing.B) {
			at := dir()
			for b.Loop() {
				if err := filesystem.WriteFile(filesystem.Local{}, at+"/a", make([]byte, 1<<10)); err != nil {
					b.Fatal(err)
				}
				if err := os.Remove(at + "/a"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
