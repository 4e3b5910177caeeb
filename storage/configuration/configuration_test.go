package configuration_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/storage/configuration"
)

func TestFlinksFilesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		parse      func([]byte) (configuration.Configuration, error)
		text, want string
	}{
		"nested":            {configuration.Parse, "execution:\n  checkpointing:\n    dir: file:///a\n    num-retained: 3\n", "map[execution.checkpointing.dir:file:///a execution.checkpointing.num-retained:3]"},
		"written out":       {configuration.Parse, "execution.checkpointing.dir: file:///a # a comment\n", "map[execution.checkpointing.dir:file:///a]"},
		"the later counts":  {configuration.Parse, "a.b: 1\na:\n  b: 2\n", "map[a.b:2]"},
		"a value and more":  {configuration.Parse, "a: 1\na.b: 2\n", "map[a:1 a.b:2]"},
		"types":             {configuration.Parse, "a: true\nb: 0x10\nc: ''\nd: [x, 1]\ne: {}\n", "map[a:true b:16 c: d:[x, 1]]"},
		"nothing":           {configuration.Parse, "# nothing\n", "map[]"},
		"empty":             {configuration.Parse, "", "map[]"},
		"null":              {configuration.Parse, "a:\n", "key a: want a value, got none; write '' for an empty one"},
		"no map":            {configuration.Parse, "- a\n", "want lines such as execution.checkpointing.dir: file:///checkpoints"},
		"twice":             {configuration.Parse, "a: 1\na: 2\n", "mapping key \"a\" already defined"},
		"no YAML":           {configuration.Parse, "a: [\n", "["},
		"old":               {configuration.ParseOld, "state.checkpoints.dir: file:///a # b\n\n  # c\nx: y: z\nx:  last \n", "map[state.checkpoints.dir:file:///a x:last]"},
		"old without colon": {configuration.ParseOld, "a: b\na b\n", `line 2: want a key, a colon, a space and a value, got "a b"`},
		"old without space": {configuration.ParseOld, "a:b\n", `line 1: want a key, a colon, a space and a value, got "a:b"`},
	} {
		parsed, err := c.parse([]byte(c.text))
		got := fmt.Sprint(parsed)
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s: want %s, got %s", name, c.want, got)
		}
	}
}

func TestTheNewFileGoesBeforeTheOld(t *testing.T) {
	dir := t.TempDir()
	if _, err := configuration.Load(dir); err == nil || !strings.Contains(err.Error(), "want config.yaml or flink-conf.yaml in the directory "+dir) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{configuration.OldFileName, configuration.FileName} { // at the end of the loop both files exist
		if err := os.WriteFile(filepath.Join(dir, name), []byte("which: "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := configuration.Load(dir); err != nil || c["which"] != name {
			t.Errorf("want %s, got %v, %v", name, c, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, configuration.FileName), []byte("a:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := configuration.Load(dir); err == nil || !strings.Contains(err.Error(), "config.yaml: key a: want a value") {
		t.Errorf("got %v", err)
	}
}

// Merge compares the names of keys literally. So a job's older name loses against the cluster's
// current name, unless Flink's client renews the key. If only the cluster may set a key, the
// cluster's value stays.
func TestWhichKeyIsReadFromWhere(t *testing.T) {
	cluster := configuration.Configuration{
		"execution.checkpointing.dir": "file:///cluster", "execution.checkpointing.data-inline-threshold": "1",
		"execution.checkpointing.num-retained": "2", "state.backend": "rocksdb",
	}
	job := configuration.Configuration{
		"state.checkpoints.dir": "file:///job", "state.storage.fs.memory-threshold": "7", "state.checkpoints.num-retained": "9",
		"akka.framesize": "1", "execution.checkpointing.savepoint-dir": "file:///savepoints",
	}
	merged := configuration.Merge(cluster, job)
	for option, want := range map[*configuration.Option]string{
		&configuration.Dir:          "file:///job",        // from the job; Flink's client renews the key
		&configuration.InlineMax:    "1",                  // from the cluster; the job's older name loses
		&configuration.NumRetained:  "2",                  // from the cluster; a job may not set this key
		&configuration.FrameSize:    "10485760b",          // the default; a job may not set this key, and the cluster does not set it
		&configuration.SavepointDir: "file:///savepoints", // from the job
		&configuration.StateBackend: "rocksdb",            // from the cluster, under an older name
	} {
		if got := merged.Text(*option); got != want {
			t.Errorf("%s: want %s, got %s", option.Key, want, got)
		}
	}
	if got := fmt.Sprint(configuration.Ignored(job)); got != "[akka.framesize state.checkpoints.num-retained]" {
		t.Errorf("got %s", got)
	}
	if job["execution.checkpointing.dir"] != "" {
		t.Error("the job's configuration was changed")
	}
}

func TestEveryNameOfAKeyIsKnownOnce(t *testing.T) {
	known := map[string]bool{}
	for _, option := range configuration.Options() {
		for _, key := range option.Keys() {
			if known[key] {
				t.Errorf("%s belongs to two options", key)
			}
			known[key] = true
		}
	}
}

func TestValues(t *testing.T) {
	option := configuration.Option{Key: "k"}
	c := func(value string) configuration.Configuration { return configuration.Configuration{"k": value} }
	for value, want := range map[string]int64{
		"0": 0, "512": 512, " 20 kb ": 20480, "20KB": 20480, "1 mebibytes": 1 << 20, "1g": 1 << 30, "2t": 2 << 40, "5 bytes": 5,
		"": -1, "kb": -1, "-1": -1, "1.5kb": -1, "1 x": -1, "9223372036854775807k": -1, "99999999999999999999": -1,
	} {
		got, err := c(value).Bytes(option)
		if (err != nil) != (want < 0) || (err == nil && got != want) {
			t.Errorf("%q: want %d, got %d, %v", value, want, got, err)
		}
	}
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Millisecond, "500 ms": 500 * time.Millisecond, "10s": 10 * time.Second, "10 min": 10 * time.Minute, "1 h": time.Hour, "2d": 48 * time.Hour,
		"3 micros": 3 * time.Microsecond, "4ns": 4, "": -1, "5 mins": -1, "9223372036854775807 d": -1,
	} {
		got, err := c(value).Duration(option)
		if (err != nil) != (want < 0) || (err == nil && got != want) {
			t.Errorf("%q: want %s, got %s, %v", value, want, got, err)
		}
	}
	var bad *configuration.ValueError
	if _, err := c("many").Int(option); !errors.As(err, &bad) || bad.Key != "k" || bad.Value != "many" {
		t.Errorf("got %v", err)
	}
	if on, err := c("TRUE").Bool(option); err != nil || !on {
		t.Errorf("got %v, %v", on, err)
	}
	if _, err := c(" true").Bool(option); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func ExampleMerge() {
	cluster := configuration.Configuration{"execution.checkpointing.num-retained": "3"}
	job := configuration.Configuration{"state.checkpoints.dir": "file:///checkpoints", "execution.checkpointing.num-retained": "10"}
	merged := configuration.Merge(cluster, job)
	fmt.Println(merged.Text(configuration.Dir), merged.Text(configuration.NumRetained))
	// Output: file:///checkpoints 3
}
