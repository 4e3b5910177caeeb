package kafka

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/internal/process"
)

// Version is the release of the broker.
const Version = "4.4.0"

// connectors holds, for each minor release of Flink, the release of Flink's connector that belongs
// to it.
var connectors = []struct{ flink, connector string }{
	{"1.19.", "3.4.0-1.20"}, // the newest for 1.19, 3.3.0-1.19, has the same interfaces
	{"1.20.", "3.4.0-1.20"},
	{"2.0.", "4.0.1-2.0"},
	{"2.1.", "5.0.0-2.1"},
	{"2.2.", "5.0.0-2.2"},
	{"2.3.", "5.0.0-2.2"}, // there is none for 2.3 yet
}

// Connector returns the release of Flink's connector for Kafka that belongs to a release of Flink.
func Connector(flink string) (string, error) {
	for _, known := range connectors {
		if strings.HasPrefix(flink, known.flink) {
			return known.connector, nil
		}
	}
	return "", harness.Usagef("connectors: kafka: no connector for Kafka is known for Flink %s", flink)
}

// BrokerDir returns the directory of the broker's jars below the directory cache.
func BrokerDir(cache string) string { return jarsDir(cache, "broker-"+Version, file("broker-pom.xml")) }

// ConnectorDir returns the directory of the connector's jars below the directory cache.
func ConnectorDir(cache, connector string) string {
	return jarsDir(cache, "connector-"+connector, connectorPom(connector))
}

func connectorPom(connector string) []byte {
	return bytes.ReplaceAll(file("connector-pom.xml"), []byte("<version>VERSION<"), []byte("<version>"+connector+"<"))
}

// jarsDir returns a directory whose name changes with the list of jars.
func jarsDir(cache, name string, pom []byte) string {
	digest := sha256.Sum256(pom)
	return filepath.Join(cache, fmt.Sprintf("kafka-%s-%x", name, digest[:6]))
}

// Install installs the jars of the broker, unless they are in the directory cache. The caller must
// hold a lock on this directory. Install calls say() with messages for people.
func Install(ctx context.Context, cache string, say func(string)) (jars string, err error) {
	dir := BrokerDir(cache)
	return dir, install(ctx, dir, file("broker-pom.xml"), "Apache Kafka "+Version+" (about 45 MB)", say)
}

// InstallConnector installs the jars of a release of Flink's connector, as [Install] does.
func InstallConnector(ctx context.Context, cache, connector string, say func(string)) (jars string, err error) {
	dir := ConnectorDir(cache, connector)
	return dir, install(ctx, dir, connectorPom(connector), "flink-connector-kafka "+connector+" (about 25 MB)", say)
}

func install(ctx context.Context, dir string, pom []byte, what string, say func(string)) (err error) {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	maven, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("installing %s needs mvn, which is not on the PATH; run apt-get install maven", what)
	}
	say("installing " + what + ", once")
	partial := dir + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.MkdirAll(partial, 0o755)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(partial, "pom.xml"), pom, 0o600); err != nil {
		return err
	}
	starter := process.NewStarter()
	defer func() { err = errors.Join(err, starter.Close()) }()
	command := exec.Command(maven, "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+partial)
	command.Dir = partial
	output, err := starter.Run(ctx, partial, "maven", command)
	if err != nil {
		return fmt.Errorf("install %s: %w\n%s", what, err, output)
	}
	return os.Rename(partial, dir)
}
