package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// dockerSocket is where a daemon listens that nobody has told otherwise.
const dockerSocket = "/var/run/docker.sock"

// Docker sees to it that a Docker daemon answers: the one of this machine or, where
// there is none, one that is started here and dies with the test.
func (s *Servers) Docker() error {
	ping := func() error {
		client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", dockerSocket)
		}}}
		response, err := client.Get("http://docker/_ping")
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	if ping() == nil {
		return nil
	}
	daemon, err := exec.LookPath("dockerd")
	if err != nil {
		return errors.New("no Docker daemon answers, and there is none to start: apt-get install docker.io")
	}
	dir, err := s.makeDir("docker")
	if err != nil {
		return err
	}
	s.docker, err = s.start("dockerd", exec.Command(daemon, "--data-root", filepath.Join(dir, "root"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", "unix://"+dockerSocket), ping)
	return err
}

// dockerPatience is how long the daemon may take to end.
const dockerPatience = 30 * time.Second

// endDocker asks the daemon to end, so that it takes back its mounts.
func (s *Servers) endDocker() error {
	if s.docker == nil {
		return nil
	}
	if err := s.docker.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	for limit := time.Now().Add(dockerPatience); s.docker.Ended() == nil; time.Sleep(readyRetry) {
		if time.Now().After(limit) {
			return fmt.Errorf("dockerd did not end within %s; see %s", dockerPatience, s.docker.Log)
		}
	}
	return nil
}

// Image makes a Docker image of one static program, and of nothing else.
func (s *Servers) Image(name, binary string) error {
	return s.build(name, "FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\n", map[string]string{"program": binary})
}

// JavaImage makes a Docker image of Debian's Java with the jars of a directory that match
// patterns, below the given path.
func (s *Servers) JavaImage(name, below, jars string, patterns ...string) error {
	if err := s.javaBase(); err != nil {
		return err
	}
	copied := map[string]string{}
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(jars, pattern))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("%s holds no %s", jars, pattern)
		}
		for _, jar := range found {
			copied[filepath.Base(jar)] = jar
		}
	}
	return s.build(name, "FROM "+javaBase+"\nCOPY *.jar "+below+"/\n", copied)
}

// build makes an image of a Dockerfile and some files.
func (s *Servers) build(name, dockerfile string, files map[string]string) error {
	dir, err := s.makeDir("image-" + strings.NewReplacer("/", "-", ":", "-").Replace(name))
	if err != nil {
		return err
	}
	for inside, path := range files {
		if err := os.Link(path, filepath.Join(dir, inside)); err != nil {
			if err := copyFile(path, filepath.Join(dir, inside)); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return err
	}
	return s.run(dir, "docker-build", []string{"DOCKER_BUILDKIT=0"}, "docker", "build", "--quiet", "--tag", name, ".")
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// javaBase is the image of Debian with a Java, and what it is made of.
const (
	javaBase    = "snapback/java:17"
	javaRelease = "bookworm"
	javaPackage = "openjdk-17-jre-headless"
)

// javaBase sees to it that Docker has that image.
func (s *Servers) javaBase() error {
	if s.run(s.dir, "docker-inspect", nil, "docker", "image", "inspect", "--format", "{{.Id}}", javaBase) == nil {
		return nil
	}
	dir, err := s.cached("java", []byte(javaRelease+javaPackage), func(dir string) error {
		root := filepath.Join(dir, "root")
		if err := s.run(dir, "debootstrap", nil, "debootstrap", "--variant=minbase", "--include="+javaPackage, javaRelease, root); err != nil {
			return err
		}
		return errors.Join(
			s.run(dir, "tar", nil, "tar", "-C", root, "-cf", "image.tar", "--exclude=./var/cache/apt", "."),
			os.RemoveAll(root))
	})
	if err != nil {
		return err
	}
	return s.run(dir, "docker-import", nil, "docker", "import", "image.tar", javaBase)
}
