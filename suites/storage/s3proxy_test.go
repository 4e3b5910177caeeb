package storage_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/s3proxy"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/explore"
	"github.com/snapback/snapback/harness/oracle"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/scenarios"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/filesystemtest"
	"github.com/snapback/snapback/storage/filesystem/schemes"
)

// throughProxy returns a file system on a real S3 server, behind a proxy with armed faults. It also
// returns the number of faults that fired.
func throughProxy(t *testing.T, armed ...string) (filesystem.FileSystem, *int) {
	t.Helper()
	taps, fired := tap.New(nil), 0
	for _, text := range armed {
		fault, err := faults.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		err = taps.Arm(fault, nil, func(tap.Operation) bool {
			fired++
			return false
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	to, err := url.Parse(s3)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s3proxy.New(to, taps, func(tap.Operation) string { return "" }))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	return schemes.New(), &fired
}

func TestTheProxyIsAnS3Server(t *testing.T) {
	through, _ := throughProxy(t)
	filesystemtest.Check(t, through, bucket+"/through-the-proxy")
}

// Every fault of object stores fires on a real server, and does what its description says.
func TestFaultsOfObjects(t *testing.T) {
	for i, c := range []struct {
		fault string
		holds func(files filesystem.FileSystem, dir string) error
	}{
		{`(Lose (On (Put "*/state")))`, func(files filesystem.FileSystem, dir string) error {
			// The S3 client sends the Put again, because the proxy lost the answer to its first
			// Put. The second Put fails, because the object from the first Put already exists.
			err := filesystem.WriteFile(files, dir+"/state", []byte("state"))
			return want(errors.Is(err, fs.ErrExist) && content(files, dir+"/state") == "state", "a refusal, and the object", err)
		}},
		{`(Throttle 2 (On (Put "*/state")))`, func(files filesystem.FileSystem, dir string) error {
			err := filesystem.WriteFile(files, dir+"/state", []byte("state"))
			return want(err == nil && content(files, dir+"/state") == "state", "the client to try again", err)
		}},
		{`(Refuse (On (Put "*/state")))`, func(files filesystem.FileSystem, dir string) error {
			err := filesystem.WriteFile(files, dir+"/state", []byte("state"))
			_, there := files.Stat(dir + "/state")
			return want(errors.Is(err, fs.ErrExist) && errors.Is(there, fs.ErrNotExist), "a refusal, and no object", err, there)
		}},
		{`(Fail EIO (On (Delete "*/state")))`, func(files filesystem.FileSystem, dir string) error {
			err := errors.Join(filesystem.WriteFile(files, dir+"/state", []byte("state")), files.Remove(dir+"/state"))
			return want(err == nil, "the client to try again", err)
		}},
		{`(Truncate 2 (On (Get "*/state")))`, func(files filesystem.FileSystem, dir string) error {
			err := filesystem.WriteFile(files, dir+"/state", []byte("state"))
			first := content(files, dir+"/state")
			return want(err == nil && first != "st" && content(files, dir+"/state") == "state", "an error, never a short object", err, first)
		}},
		{`(Flip 1 (On (Get "*/state")))`, func(files filesystem.FileSystem, dir string) error {
			err := filesystem.WriteFile(files, dir+"/state", []byte("state"))
			first := content(files, dir+"/state")
			return want(err == nil && first != "state" && content(files, dir+"/state") == "state", "another byte, once", err, first)
		}},
		{`(Stale (On (List "*")))`, func(files filesystem.FileSystem, dir string) error {
			err := errors.Join(filesystem.WriteFile(files, dir+"/a", nil), filesystem.WriteFile(files, dir+"/b", nil))
			first, _ := files.List(dir)
			second, _ := files.List(dir)
			return want(err == nil && len(first) == 1 && len(second) == 2, "a list without the newest, once", err, first, second)
		}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			through, fired := throughProxy(t, c.fault)
			if err := c.holds(through, fmt.Sprintf("%s/faults/%d", bucket, i)); err != nil || *fired != 1 {
				t.Errorf("the fault fired %d times: %v", *fired, err)
			}
		})
	}
}

// Real Flink has its checkpoints on real S3. The test terminates a TaskManager before and after
// each request of a checkpoint.
func TestFlinkOnS3IsKilledAtEachOperation(t *testing.T) {
	target, err := flinkOn(t.Context(), bucket+"/killed")
	if err != nil {
		t.Fatal(err)
	}
	all, err := scenarios.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := scenarios.Select(all, []string{"durability/operations"})
	if err != nil {
		t.Fatal(err)
	}
	sweep := explore.Sweep{
		Target: flink.Minicluster{Target: target},
		Seed:   5, Dir: t.TempDir(), History: io.Discard, Kill: faults.TaskManager, Timeout: 5 * time.Minute,
	}
	phases := map[faults.Phase]int{}
	operations, result, err := sweep.Run(t.Context(), chosen[0], func(one explore.Swept) {
		t.Logf("%s %s: in progress %d, restored from %d in %s", one.Fault, one.Operation, one.Checkpoint, one.Restored, one.Took)
		phases[one.Phase]++
	})
	if err != nil || result.Verdict != oracle.Pass {
		t.Fatalf("%s %s %+v, %v", result.Verdict, result.Reason, result.Findings, err)
	}
	t.Logf("%d kills in %s: %v", len(operations), result.Took, phases)
	if phases[faults.State] < 8 || phases[faults.Publish] < 2 || phases[faults.Discard] < 2 {
		t.Errorf("swept only %v", phases)
	}
}

func want(holds bool, what string, got ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf("want %s, got %v", what, got)
}

func content(files filesystem.FileSystem, name string) string {
	data, err := filesystem.ReadFile(files, name, 1<<20)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(data)
}
