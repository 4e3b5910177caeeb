// Package configuration reads Apache Flink's configuration: its files, config.yaml
// and the older flink-conf.yaml; its keys of checkpointing, under their names of today
// and of before; its notations of sizes and times; and its rule of what a job may set
// for itself and what only the cluster can.
//
// It knows the keys that this project acts upon ([Options]) and no others; those
// pass through unread.
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

// Names of the files, in the order in which they are looked for, as in Flink 2.
const (
	FileName    = "config.yaml"
	OldFileName = "flink-conf.yaml"
)

// Configuration is values by key.
type Configuration map[string]string

// Load reads the configuration in a directory: config.yaml or, where there is none,
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

// Parse reads the text of a config.yaml: a key may be written out, or nested, or both;
// of two spellings of one key the later counts.
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
	if root == nil { // nothing but comments
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

// ParseOld reads the text of a flink-conf.yaml: lines of a key, a colon and a space,
// and a value. Flink warns of a line that is none and goes on; here it is an error.
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

// Merge returns what holds for a job: the cluster's configuration with the job's own
// over it. Keys are taken as they are written, so that the cluster's new name of a key
// wins over the job's old one; but a few Flink's client writes anew under the new name.
// What only the cluster may set stays the cluster's.
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

// Ignored lists the keys that a job sets in vain, for only the cluster may set them.
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

// Find returns the value of an option, and the key that it was found under: the name
// of today first, then the older ones.
func (c Configuration) Find(o Option) (value, key string, ok bool) {
	for _, key := range o.Keys() {
		if value, ok := c[key]; ok {
			return value, key, true
		}
	}
	return o.Default, o.Key, false
}
