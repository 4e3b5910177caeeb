package run

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/storage/filesystem"
)

// inMemory is a closed cluster whose checkpoints were on a mount below the directory of the run.
// The files of the mount are in memory, and are gone from the machine.
type inMemory struct {
	target.Cluster
	files *filesystem.Memory
	root  string
}

func (c inMemory) Files() filesystem.FileSystem { return c.files }
func (c inMemory) Root() string                 { return c.root }
func (c inMemory) Log() string                  { return "the.log" }

func TestTheCheckpointsOfAFailedRunAreKept(t *testing.T) {
	dir := t.TempDir()
	c := inMemory{files: filesystem.NewMemory(), root: filepath.Join(dir, "storage", "checkpoints")}
	name := filepath.Join(c.root, "job", "chk-3", "_metadata")
	if err := c.files.MkdirAll(filepath.Dir(name)); err != nil {
		t.Fatal(err)
	}
	if err := filesystem.WriteFile(c.files, name, []byte("state")); err != nil {
		t.Fatal(err)
	}
	result := Result{Dir: dir}
	if err := result.find(c); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(name); err != nil || string(data) != "state" {
		t.Errorf("want the file kept at its place, got %q, %v", data, err)
	}
	if result.Checkpoints != c.root || result.Log != "the.log" {
		t.Errorf("want the places in the result, got %+v", result)
	}
}

func TestNothingIsCopiedFromAStoreElsewhere(t *testing.T) {
	c := inMemory{files: filesystem.NewMemory(), root: "s3://bucket/checkpoints"}
	result := Result{Dir: t.TempDir()}
	if err := result.find(c); err != nil || result.Checkpoints != "" {
		t.Errorf("want no place, got %q, %v", result.Checkpoints, err)
	}
}
