package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	"github.com/snapback/snapback/faults/network"
	"github.com/snapback/snapback/suites/internal/programs"
)

// namenodePort is the port at which the NameNode listens, unless another process already uses this
// port.
const namenodePort = "40010"

// javaOptions are options with which a server starts fast and needs little memory.
var javaOptions = []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-Djava.net.preferIPv4Stack=true"}

// HDFS is a NameNode and a DataNode.
type HDFS struct {
	URL     string // a URL such as hdfs://localhost:40010
	ConfDir string // directory with core-site.xml and hdfs-site.xml

	servers  *Servers
	jars     string
	state    string // URL of the NameNode's reports about itself, without the name of a report at the end
	datanode *programs.Program
}

// HDFS starts a NameNode and a DataNode.
func (s *Servers) HDFS() (*HDFS, error) {
	jars, err := s.HadoopJars()
	if err != nil {
		return nil, err
	}
	dir, err := s.makeDir("hdfs")
	if err != nil {
		return nil, err
	}
	ports := map[string]string{"Dir": dir, "NameNode": namenodePort}
	if listener, err := net.Listen("tcp", "127.0.0.1:"+namenodePort); err == nil {
		err = listener.Close()
		if err != nil {
			return nil, err
		}
	} else if ports["NameNode"], err = network.FreePort(); err != nil {
		return nil, err
	}
	for _, name := range []string{"NameNodeHTTP", "DataNode", "DataNodeHTTP", "DataNodeIPC"} {
		if ports[name], err = network.FreePort(); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"core-site.xml", "hdfs-site.xml"} {
		var text bytes.Buffer
		if err := template.Must(template.New(name).Parse(string(file(name)))).Execute(&text, ports); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			return nil, err
		}
	}
	h := &HDFS{URL: "hdfs://localhost:" + ports["NameNode"], servers: s, jars: jars, ConfDir: dir}
	h.state = "http://127.0.0.1:" + ports["NameNodeHTTP"] + "/jmx?qry=Hadoop:service=NameNode,name="
	if err := h.run("format", "server.namenode.NameNode", "-format", "-nonInteractive"); err != nil {
		return nil, err
	}
	if _, err := s.start("namenode", h.java("server.namenode.NameNode"), answers(h.state+"NameNodeInfo", "")); err != nil {
		return nil, err
	}
	return h, h.StartDataNode()
}

// java returns the command that runs one of Hadoop's classes.
func (h *HDFS) java(class string, arguments ...string) *exec.Cmd {
	all := append([]string{"-cp", h.ConfDir + string(os.PathListSeparator) + filepath.Join(h.jars, "*")}, javaOptions...)
	return exec.Command("java", append(append(all, "org.apache.hadoop.hdfs."+class), arguments...)...)
}

// run runs one of Hadoop's classes to its end.
func (h *HDFS) run(name, class string, arguments ...string) error {
	if output, err := programs.Run(h.servers.ctx, h.servers.dir, name, h.java(class, arguments...)); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", class, arguments, err, output)
	}
	return nil
}

// StartDataNode starts the DataNode, and waits until the NameNode accepts writes.
func (h *HDFS) StartDataNode() (err error) {
	alive, writable := answers(h.state+"FSNamesystemState", `"NumLiveDataNodes" : 1`), answers(h.state+"NameNodeInfo", `"Safemode" : ""`)
	h.datanode, err = h.servers.start("datanode", h.java("server.datanode.DataNode"), func() error { return errors.Join(alive(), writable()) })
	return err
}

// KillDataNode ends the DataNode, as SIGKILL does.
func (h *HDFS) KillDataNode() error { return h.datanode.Kill() }

// SafeMode lets the NameNode enter or leave its safe mode, in which it refuses all changes.
func (h *HDFS) SafeMode(on bool) error {
	what := "leave"
	if on {
		what = "enter"
	}
	return h.run("safemode-"+what, "tools.DFSAdmin", "-safemode", what)
}

// HadoopJars returns the directory of Hadoop's jars, which include the client's jars.
func (s *Servers) HadoopJars() (string, error) { return hadoop().installed() }

func hadoop() part {
	pom := file("hadoop-pom.xml")
	return part{name: "hadoop", from: pom, fill: func(ctx context.Context, dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o600); err != nil {
			return err
		}
		return run(ctx, dir, "maven", nil, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+dir)
	}}
}
