// Package configuration reads Apache Flink's configuration. It reads the file config.yaml, or the
// older form flink-conf.yaml. It knows the current and the older names of keys, and Flink's
// notations for sizes and times. It also knows which keys a job may set, and which keys only the
// cluster may set.
//
// The package knows only the keys that this project uses; see [Options]. It keeps all other keys
// and does not interpret them.
//
// Start with [Load] and [Merge].
package configuration

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Names of the configuration files. Load looks for them in this order, as Flink 2 does.
const (
	FileName    = "config.yaml"
	OldFileName = "flink-conf.yaml"
)

// Configuration maps keys to values.
type Configuration map[string]string

// Load reads the configuration in a directory. It reads config.yaml or, if that does not exist,
// flink-conf.yaml.
func Load(dir string) (Configuration, error) {
	for _, name := range []string{FileName, OldFileName} {
		file := filepath.Join(dir, name)
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		parse := Parse
		if name == OldFileName {
			parse = ParseOld
		}
		read, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("configuration %s: %w", file, err)
		}
		return read, nil
	}
	return nil, fmt.Errorf("configuration: want %s or %s in the directory %s, found neither", FileName, OldFileName, dir)
}

// Parse reads the text of a config.yaml. A key may be nested, or written with dots. If a key occurs
// in both forms, the later value counts.
func Parse(text []byte) (Configuration, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return Configuration{}, nil
	}
	var root any
	if err := yaml.UnmarshalWithOptions(text, &root, yaml.UseOrderedMap()); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
		return nil, errors.New(first)
	}
	c := Configuration{}
	if root == nil { // the text contains only comments
		return c, nil
	}
	pairs, ok := root.(yaml.MapSlice)
	if !ok {
		return nil, errors.New("want lines such as execution.checkpointing.dir: file:///checkpoints")
	}
	return c, c.flatten("", pairs)
}

func (c Configuration) flatten(prefix string, pairs yaml.MapSlice) error {
	for _, pair := range pairs {
		key := prefix + fmt.Sprint(pair.Key)
		switch value := pair.Value.(type) {
		case nil:
			return fmt.Errorf("key %s: want a value, got none; write '' for an empty one", key)
		case yaml.MapSlice:
			if err := c.flatten(key+".", value); err != nil {
				return err
			}
		case []any:
			flow, err := yaml.MarshalWithOptions(value, yaml.Flow(true))
			if err != nil {
				return fmt.Errorf("key %s: %w", key, err)
			}
			c[key] = strings.TrimSpace(string(flow))
		default:
			c[key] = fmt.Sprint(value)
		}
	}
	return nil
}

// ParseOld reads the text of a flink-conf.yaml. Each valid line consists of a key, a colon, a space
// and a value. For any other line Flink writes a warning and continues; ParseOld returns an error.
func ParseOld(text []byte) (Configuration, error) {
	c := Configuration{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		key, value, found := strings.Cut(line, ": ")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !found || key == "" || value == "" {
			return nil, fmt.Errorf("line %d: want a key, a colon, a space and a value, got %q", number, line)
		}
		c[key] = value
	}
	return c, lines.Err()
}

// Merge returns the configuration of a job: the cluster's configuration, overridden by the job's
// own. Like Flink, it compares the names of keys literally. So if the cluster sets the current name
// of a key and the job sets an older name, the cluster's value wins. An option whose field Renewed
// is true is an exception: Flink's client writes the job's value under the current name. Merge
// ignores the job's value of a key that only the cluster may set.
func Merge(cluster, job Configuration) Configuration {
	own := maps.Clone(job)
	for _, o := range Options() {
		switch {
		case o.Scope == Cluster:
			for _, key := range o.Keys() {
				delete(own, key)
			}
		case o.Renewed:
			if value, _, ok := own.Find(o); ok {
				own[o.Key] = value
			}
		}
	}
	merged := Configuration{}
	maps.Copy(merged, cluster)
	maps.Copy(merged, own)
	return merged
}

// Ignored lists the keys of a job's configuration that have no effect, because only the cluster may
// set them.
func Ignored(job Configuration) []string {
	var ignored []string
	for _, o := range Options() {
		for _, key := range o.Keys() {
			if _, set := job[key]; set && o.Scope == Cluster {
				ignored = append(ignored, key)
			}
		}
	}
	slices.Sort(ignored)
	return ignored
}

// Find returns the value of an option, and the key under which it was found. It looks for the
// current name first, then for the older names. If no name is set, Find returns the default value,
// and ok is false.
func (c Configuration) Find(o Option) (value, key string, ok bool) {
	for _, key := range o.Keys() {
		if value, ok := c[key]; ok {
			return value, key, true
		}
	}
	return o.Default, o.Key, false
}
