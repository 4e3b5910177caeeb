package servers

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
)

// namenodePort is where the NameNode listens, if nobody else does.
const namenodePort = "40010"

// javaOptions keep a server small; it lives for a test.
var javaOptions = []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-Djava.net.preferIPv4Stack=true"}

// HDFS starts a NameNode and a DataNode, and returns the URL of the file system, as in
// hdfs://localhost:40010.
func (s *Servers) HDFS() (url string, err error) {
	jars, err := s.HadoopJars()
	if err != nil {
		return "", err
	}
	dir, err := s.makeDir("hdfs")
	if err != nil {
		return "", err
	}
	ports := map[string]string{"Dir": dir, "NameNode": namenodePort}
	if listener, err := net.Listen("tcp", "127.0.0.1:"+namenodePort); err == nil {
		err = listener.Close()
		if err != nil {
			return "", err
		}
	} else if ports["NameNode"], err = FreePort(); err != nil {
		return "", err
	}
	for _, name := range []string{"NameNodeHTTP", "DataNode", "DataNodeHTTP", "DataNodeIPC"} {
		if ports[name], err = FreePort(); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"core-site.xml", "hdfs-site.xml"} {
		var text bytes.Buffer
		if err := template.Must(template.New(name).Parse(string(file(name)))).Execute(&text, ports); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			return "", err
		}
	}
	java := func(class string, arguments ...string) *exec.Cmd {
		all := append([]string{"-cp", dir + string(os.PathListSeparator) + filepath.Join(jars, "*")}, javaOptions...)
		return exec.Command("java", append(append(all, "org.apache.hadoop.hdfs.server."+class), arguments...)...)
	}
	format := java("namenode.NameNode", "-format", "-nonInteractive")
	if output, err := s.starter.Run(s.ctx, s.dir, "format", format); err != nil {
		return "", fmt.Errorf("format the NameNode: %w\n%s", err, output)
	}
	state := "http://127.0.0.1:" + ports["NameNodeHTTP"] + "/jmx?qry=Hadoop:service=NameNode,name="
	if err := s.start("namenode", java("namenode.NameNode"), answers(state+"NameNodeInfo", "")); err != nil {
		return "", err
	}
	alive, writable := answers(state+"FSNamesystemState", `"NumLiveDataNodes" : 1`), answers(state+"NameNodeInfo", `"Safemode" : ""`)
	err = s.start("datanode", java("datanode.DataNode"), func() error { return errors.Join(alive(), writable()) })
	return "hdfs://localhost:" + ports["NameNode"], err
}

// HadoopJars installs Hadoop's jars, its client's among them, and returns their
// directory.
func (s *Servers) HadoopJars() (string, error) {
	pom := file("hadoop-pom.xml")
	return s.cached("hadoop", pom, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o600); err != nil {
			return err
		}
		return s.run(dir, "maven", nil, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+dir)
	})
}

// FlinkS3Plugin installs Flink's file system for S3, of a version, and returns a
// directory of plugins.
func (s *Servers) FlinkS3Plugin(version string) (string, error) {
	artifact := "org.apache.flink:flink-s3-fs-presto:" + version
	return s.cached("flink-s3", []byte(artifact), func(dir string) error {
		plugin := filepath.Join(dir, "s3-fs-presto")
		return s.run(dir, "maven", nil, "mvn", "-q", "-B", "dependency:copy", "-Dartifact="+artifact, "-DoutputDirectory="+plugin)
	})
}
