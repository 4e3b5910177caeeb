package flink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/s3proxy"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/targets/internal/layout"
	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/filesystem"
)

// Objects is an S3 server for checkpoints. To read from it, this process needs the usual
// environment variables of S3.
type Objects struct {
	Endpoint       string // URL
	Bucket         string // the name of the bucket; the path of a directory in the bucket may follow
	User, Password string
	Plugins        string // path of a directory with Flink's plugins, among them the plugin for s3
	Direct         bool   // no proxy stands before the server, so the harness does not see the operations
}

// Hadoop is an HDFS for checkpoints. No operation on it passes through the harness, so no fault can
// happen at one.
type Hadoop struct {
	Root      string // URL of the directory that holds the checkpoints of all runs
	ClassPath string // the Java class path of Hadoop's client
}

// These environment variables say how to reach storage. They are the variables that the clients of
// S3 and of HDFS use.
const (
	s3Endpoint    = "AWS_ENDPOINT_URL"
	s3User        = "AWS_ACCESS_KEY_ID"
	s3Password    = "AWS_SECRET_ACCESS_KEY"
	hadoopClasses = "HADOOP_CLASSPATH"
)

// ParseStorage reads the text by which a user names a storage: the URL of a directory on S3 or HDFS.
// One of the results is nil. The environment says how to reach the storage.
func ParseStorage(at string) (*Objects, *Hadoop, error) {
	root, err := storage.ParseDir(at)
	if err != nil {
		return nil, nil, harness.Usagef("--storage: %w", err)
	}
	missing := func(name, what string) error {
		return harness.Usagef("--storage %s: want %s in the environment variable %s, which is not set", at, what, name)
	}
	if bucket, ok := strings.CutPrefix(root, "s3://"); ok {
		o := &Objects{Endpoint: os.Getenv(s3Endpoint), Bucket: bucket, User: os.Getenv(s3User), Password: os.Getenv(s3Password)}
		switch {
		case o.Endpoint == "":
			return nil, nil, missing(s3Endpoint, "the URL of the S3 server")
		case o.User == "":
			return nil, nil, missing(s3User, "the user's name on the S3 server")
		case o.Password == "":
			return nil, nil, missing(s3Password, "the user's password on the S3 server")
		}
		return o, nil, nil
	}
	if !strings.HasPrefix(root, "hdfs://") {
		return nil, nil, harness.Usagef("--storage: target %s keeps checkpoints in the run directory, on s3:// or on hdfs://, got %q", Name, at)
	}
	h := &Hadoop{Root: root, ClassPath: os.Getenv(hadoopClasses)}
	if h.ClassPath == "" {
		return nil, nil, missing(hadoopClasses, "the jars of Hadoop's client, as the command `hadoop classpath` prints them,")
	}
	return nil, h, nil
}

// OnStorage returns a copy of the target whose checkpoints are in a directory on S3 or HDFS; see
// [ParseStorage]. It fetches Flink's plugin for S3 once. It calls say() with messages for people.
func (t Target) OnStorage(ctx context.Context, at string, say func(string)) (Target, error) {
	objects, hadoop, err := ParseStorage(at)
	if err == nil && objects != nil {
		objects.Plugins, err = t.S3Plugin(ctx, say)
	}
	t.Objects, t.Hadoop = objects, hadoop
	return t, err
}

// describeStorage returns the storage for [history.Target].
func (t Target) describeStorage() string {
	switch {
	case t.Objects != nil:
		return "s3://" + t.Objects.Bucket
	case t.Hadoop != nil:
		return t.Hadoop.Root
	}
	return ""
}

// newRoot returns the URL of a directory for the checkpoints of one cluster. Other runs may use the
// same storage.
func (t Target) newRoot() string {
	return filesystem.Join(t.describeStorage(), fmt.Sprintf("run-%x", time.Now().UnixNano()))
}

// settings returns the settings with which Flink finds the server, or the proxy before the server,
// at the endpoint.
func (o Objects) settings(endpoint string) map[string]string {
	return map[string]string{
		"s3.endpoint": endpoint, "s3.access-key": o.User, "s3.secret-key": o.Password, "s3.path.style.access": "true",
	}
}

// proxied starts a proxy before the server, and returns the settings with which Flink uses the
// proxy. The proxy recognizes the requests of TaskManagers only by the names of objects:
// TaskManagers write state.
func (o Objects) proxied(taps *tap.Tap) (*http.Server, map[string]string, error) {
	to, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return nil, nil, err
	}
	handler := s3proxy.New(to, taps, func(operation tap.Operation) string {
		if (layout.Flink{}).Phase(operation.Kind, operation.Name, operation.NewName) == faults.State {
			return string(faults.TaskManager)
		}
		return string(faults.JobManager)
	})
	proxy := &http.Server{Handler: handler, ReadHeaderTimeout: restTimeout}
	go func() { _ = proxy.Serve(listener) }() // ends when the proxy is closed
	return proxy, o.settings("http://" + listener.Addr().String()), nil
}

// S3Plugin returns the path of a directory with Flink's plugin for S3. If the user's distribution
// has such a plugin, S3Plugin returns the distribution's plugins. Otherwise Maven fetches the
// plugin into the cache, once for each release.
func (t Target) S3Plugin(ctx context.Context, say func(string)) (string, error) {
	own := t.plugins()
	if found, err := filepath.Glob(filepath.Join(own, "*", "flink-s3-fs-*.jar")); err == nil && len(found) > 0 {
		return own, nil
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	plugins := filepath.Join(cache, "plugins-"+t.version)
	unlock, err := lock(ctx, plugins+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(plugins); err == nil {
		return plugins, nil
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", errors.New("fetching Flink's plugin for S3 needs mvn, which is not on the PATH; run apt-get install maven, or put flink-s3-fs-presto into plugins/s3 of a distribution and name it with --flink-home")
	}
	artifact := "org.apache.flink:flink-s3-fs-presto:" + t.version
	say("fetching " + artifact)
	partial := plugins + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	output, err := run(ctx, cache, "plugin", "mvn", "-q", "-B", "dependency:copy", "-Dartifact="+artifact, "-DoutputDirectory="+filepath.Join(partial, "s3-fs-presto"))
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w\n%s", artifact, err, output)
	}
	return plugins, os.Rename(partial, plugins)
}
