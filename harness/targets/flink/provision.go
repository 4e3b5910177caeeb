package flink

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/internal/process"
)

const (
	mainClass   = "snapback.workloads.Main"
	lockTimeout = 10 * time.Minute
	lockRetry   = 200 * time.Millisecond
)

// Options say which Flink to test.
type Options struct {
	Version string // the release to install, such as 2.3.0
	Next    string // the release to which scenarios upgrade, which is installed when a scenario does; empty if there is none
	Home    string // path of a distribution to use instead of an installed one; empty if there is none
}

// supported matches the releases from 1.16 on. Earlier releases do not have the sink API that the
// workloads use.
var supported = regexp.MustCompile(`^(1\.(1[6-9]|20)|2\.\d+)\.\d+$`)

// CacheDir is the directory for installed distributions and compiled workloads.
func CacheDir() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(user, "snapback", "flink"), nil
}

// Provision installs a Flink and compiles the workloads' jar, unless both are in the cache. It
// calls say() with messages for people.
func Provision(ctx context.Context, o Options, say func(string)) (Target, error) {
	t, err := o.target()
	t.say = say
	if err != nil {
		return Target{}, err
	}
	for _, tool := range []string{"java", "javac"} {
		if _, err := exec.LookPath(tool); err != nil {
			return Target{}, fmt.Errorf("the target flink needs %s, which is not on the PATH; install a JDK, for example: apt-get install openjdk-17-jdk-headless", tool)
		}
	}
	cache, err := CacheDir()
	if err != nil {
		return Target{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Target{}, err
	}
	// Each release has a lock of its own: a run does not wait until another release is installed.
	unlock, err := lock(ctx, filepath.Join(cache, t.version+".lock"))
	if err != nil {
		return Target{}, err
	}
	defer unlock()

	if t.lib == "" {
		if t.lib, err = install(ctx, cache, t.version, say); err != nil {
			return Target{}, err
		}
	}
	t.jar, err = compile(ctx, cache, t, say)
	return t, err
}

// target returns the target that the options describe. The target knows its jars only if the user
// gave the path of a distribution.
func (o Options) target() (Target, error) {
	if o.Home == "" {
		if !supported.MatchString(o.Version) {
			return Target{}, unsupported("--flink-version", o.Version)
		}
		if o.Next != "" && !supported.MatchString(o.Next) {
			return Target{}, unsupported("--flink-version", o.Next)
		}
		return Target{version: o.Version, next: o.Next}, nil
	}
	t := Target{lib: filepath.Join(o.Home, "lib")}
	found, err := filepath.Glob(filepath.Join(t.lib, "flink-dist-*.jar"))
	if err != nil || len(found) != 1 {
		return Target{}, harness.Usagef("flink home: want a distribution with one lib/flink-dist-VERSION.jar in %s, got %d", o.Home, len(found))
	}
	t.version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), "flink-dist-"), ".jar")
	if !supported.MatchString(t.version) {
		return Target{}, unsupported("flink home: "+o.Home, t.version)
	}
	return t, nil
}

func unsupported(where, version string) error {
	return harness.Usagef("%s: want a release from 1.16.0 on, such as 1.20.5 or %s, got %q", where, DefaultVersion, version)
}

// install installs the distribution from Flink's Python package. It creates a virtual environment
// for this package alone.
func install(ctx context.Context, cache, version string, say func(string)) (lib string, err error) {
	home := filepath.Join(cache, version)
	if lib, err := jars(home); err == nil {
		return lib, nil
	}
	if _, err := exec.LookPath("python3"); err != nil {
		return "", errors.New("installing Flink needs python3, which is not on the PATH; run apt-get install python3-venv, or set FLINK_HOME")
	}
	say(fmt.Sprintf("installing Apache Flink %s into %s, once (about 350 MB)", version, cache))
	partial := home + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	python := filepath.Join(partial, "bin", "python")
	for _, step := range [][]string{
		{"python3", "-m", "venv", partial},
		{python, "-m", "pip", "install", "--quiet", "setuptools<80", "wheel"},
		{python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "apache-flink-libraries==" + version},
	} {
		output, err := run(ctx, cache, "install-"+version, step...)
		if strings.Contains(output, "No matching distribution found") {
			return "", harness.Usagef("--flink-version: there is no release %s", version)
		}
		if err != nil {
			return "", fmt.Errorf("install Flink: %s: %w\n%s", strings.Join(step, " "), err, output)
		}
	}
	if _, err := jars(partial); err != nil {
		return "", err
	}
	if err := os.Rename(partial, home); err != nil {
		return "", err
	}
	return jars(home)
}

// jars returns the directory of the distribution's jars in a virtual environment.
func jars(environment string) (string, error) {
	pattern := filepath.Join(environment, "lib", "python3*", "site-packages", "pyflink", "lib", "flink-dist-*.jar")
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("install Flink: want one %s, got %d", pattern, len(found))
	}
	return filepath.Dir(found[0]), nil
}

// classPath returns the Java class path for Flink's processes and for the compiler. If lib is not
// empty, it is the directory of the distribution's jars.
func (t Target) classPath(lib string) (string, error) {
	if lib != "" {
		return filepath.Join(lib, "*") + string(os.PathListSeparator) + t.jar, nil
	}
	// Glob sorts the names. Java takes a class from the first jar that has it, so each run takes the
	// same.
	all, err := filepath.Glob(filepath.Join(t.lib, "*.jar"))
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("%s holds no jars", t.lib)
	}
	if t.jar != "" { // this jar contains the host of the minicluster
		all = append(all, t.jar)
	}
	if t.Hadoop != nil {
		all = append(all, t.Hadoop.ClassPath)
	}
	return strings.Join(all, string(os.PathListSeparator)), nil
}

// plugins returns the directory of the distribution's plugins, or the empty text if there is none.
func (t Target) plugins() string {
	if t.Objects != nil {
		return t.Objects.Plugins
	}
	dir := filepath.Join(filepath.Dir(t.lib), "plugins")
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// compile compiles the workloads into a jar. Each release of Flink and each version of the sources
// has a jar of its own.
func compile(ctx context.Context, cache string, t Target, say func(string)) (string, error) {
	names, err := t.sources()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	for _, name := range names {
		source, err := sources.ReadFile(name)
		if err != nil {
			return "", err
		}
		hash.Write(source)
	}
	jar := filepath.Join(cache, fmt.Sprintf("workloads-%s-%x.jar", t.version, hash.Sum(nil)[:8]))
	if _, err := os.Stat(jar); err == nil {
		return jar, nil
	}
	say("compiling the workloads for Flink " + t.version)
	dir, err := os.MkdirTemp(cache, "compile-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }() // if this fails, a directory stays in the cache
	if err := os.CopyFS(dir, sources); err != nil {
		return "", err
	}
	classes, err := t.javac(ctx, cache, "compile-"+t.version, dir, names, nil)
	if err != nil {
		return "", err
	}
	services := filepath.Join(classes, "META-INF", "services")
	if err := os.MkdirAll(services, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(services, "org.apache.flink.core.fs.FileSystemFactory"), []byte("snapback.host.Plain\n"), 0o644); err != nil {
		return "", err
	}
	partial := filepath.Join(dir, "job.jar")
	if err := pack(classes, partial); err != nil {
		return "", err
	}
	return jar, os.Rename(partial, jar)
}

// lock waits until no other process holds a lock, and takes it. The caller must call unlock().
func lock(ctx context.Context, name string) (unlock func(), err error) {
	held := flock.New(name)
	waiting, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	if _, err := held.TryLockContext(waiting, lockRetry); err != nil {
		return nil, fmt.Errorf("wait for another installation to end: %w", err)
	}
	return func() { _ = held.Unlock() }, nil // if this fails, the end of the process unlocks
}

// javac compiles the Java files with the given names, which are below a directory, into a directory
// of classes. Its output goes to a log of the given name below the directory cache.
func (t Target) javac(ctx context.Context, cache, log, dir string, names, libraries []string) (classes string, err error) {
	classPath, err := t.classPath("")
	if err != nil {
		return "", err
	}
	all := strings.Join(append([]string{classPath}, libraries...), string(os.PathListSeparator))
	classes = filepath.Join(dir, "classes")
	command := []string{"javac", "--release", "11", "-Xlint:-options", "-nowarn", "-cp", all, "-d", classes}
	for _, name := range names {
		command = append(command, filepath.Join(dir, name))
	}
	output, err := run(ctx, cache, log, command...)
	if err != nil {
		return "", fmt.Errorf("compile %s for Flink %s: %w\n%s", strings.Join(names, ", "), t.version, err, output)
	}
	return classes, nil
}

// run runs a program to its end, and returns its output.
func run(ctx context.Context, dir, name string, arguments ...string) (string, error) {
	starter := process.NewStarter()
	output, err := starter.Run(ctx, dir, name, exec.Command(arguments[0], arguments[1:]...))
	return output, errors.Join(err, starter.Close())
}

// pack packs a directory into a jar, which is a zip file.
func pack(dir, jar string) error {
	file, err := os.Create(jar)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(file)
	return errors.Join(archive.AddFS(os.DirFS(dir)), archive.Close(), file.Close())
}

// Lib returns the directory of the distribution's jars.
func (t Target) Lib() string { return t.lib }
