package commandline

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/harness/targets/reference"
)

// newTargets returns the targets that the flags name, one for each version of Flink.
func newTargets(ctx context.Context, o runOptions, say func(string)) ([]target.Target, error) {
	var all []target.Target
	for _, o.flinkVersion = range o.flinkVersions {
		one, err := newTarget(ctx, o, say)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// newTarget returns the target that the flags name.
func newTarget(ctx context.Context, o runOptions, say func(string)) (target.Target, error) {
	switch {
	case o.target != flink.Name:
		return referenceTarget(o)
	case o.rest != "":
		return flink.Connect(ctx, o.rest, say)
	}
	return flinkTarget(ctx, o, say)
}

func referenceTarget(o runOptions) (target.Target, error) {
	if o.simulated() {
		return reference.Simulated{Storage: o.place}, nil
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return reference.Processes{Binary: binary, Storage: o.place}, nil
}

func flinkTarget(ctx context.Context, o runOptions, say func(string)) (target.Target, error) {
	home := o.flinkHome
	if home == "" && !o.versionGiven {
		home = os.Getenv("FLINK_HOME")
	}
	if o.storage != "" { // bad input must be refused before Flink is installed
		if _, _, err := flink.ParseStorage(o.storage); err != nil {
			return nil, err
		}
	}
	from, to, _ := strings.Cut(o.flinkVersion, ":")
	installed, err := flink.Provision(ctx, flink.Options{Version: from, Next: to, Home: home}, say)
	if err == nil && o.storage != "" {
		installed, err = installed.OnStorage(ctx, o.storage, say)
	}
	switch {
	case err != nil:
		return nil, err
	case o.runtime == flink.MiniclusterRuntime:
		return flink.Minicluster{Target: installed}, nil
	case o.runtime == flink.ContainersRuntime:
		return installed.At(o.heavy.Containers(cmp.Or(o.image, "flink:"+installed.Describe().Version))), nil
	}
	return installed, nil
}

// pooled returns the target for runs that follow each other, and a function that ends what the target
// started. On Flink in one JVM, the runs share JVMs, whose files are in the given directory.
func pooled(on target.Target, dir string) (target.Target, func() error, error) {
	minicluster, ok := on.(flink.Minicluster)
	if !ok {
		return on, func() error { return nil }, nil
	}
	pool, err := flink.NewPool(minicluster, dir)
	if err != nil {
		return nil, nil, err
	}
	return pool, pool.Close, nil
}

// checkVersions checks the value of --flink-version.
func (o runOptions) checkVersions() error {
	for i, version := range o.flinkVersions {
		from, to, upgrades := strings.Cut(version, ":")
		if from == "" || upgrades && to == "" || from == to || slices.Contains(o.flinkVersions[:i], version) {
			return harness.Usagef("--flink-version: want different versions such as 1.18.1,2.3.0, or an old and a new one such as 1.18.1:2.3.0, got %q", o.flinkVersions)
		}
	}
	switch several := len(o.flinkVersions) > 1; {
	case len(o.flinkVersions) == 0:
		return harness.Usagef("--flink-version: want a version such as %s, got none", flink.DefaultVersion)
	case several && o.image != "":
		return harness.Usagef("--image: want it only with one version of Flink, got %q", o.flinkVersions)
	case o.versionGiven && o.rest != "":
		return harness.Usagef("--flink-version: a running cluster has its own version, got --rest %s", o.rest)
	}
	return nil
}
