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

// dockerSocket is the socket at which a Docker daemon listens by default.
const dockerSocket = "/var/run/docker.sock"

// Docker makes sure that a Docker daemon answers. If no daemon runs on this machine, Docker starts
// one. The started daemon ends with the test.
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
		return errors.New("no Docker daemon answers, and none is installed; run apt-get install docker.io")
	}
	dir, err := s.makeDir("docker")
	if err != nil {
		return err
	}
	s.docker, err = s.start("dockerd", exec.Command(daemon, "--data-root", filepath.Join(dir, "root"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", "unix://"+dockerSocket), ping)
	return err
}

// dockerPatience is the longest time that the daemon may need to end.
const dockerPatience = 30 * time.Second

// endDocker tells the Docker daemon to end, and does not kill it at once: a daemon that is killed
// leaves its mounts on the machine.
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

// MinIOImage builds a Docker image that contains only the server MinIO.
func (s *Servers) MinIOImage(name string) error {
	dir, err := minIO().installed()
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(filepath.Join(dir, "minio"))
	if err != nil {
		return err
	}
	return s.Image(name, "FROM scratch\nCOPY program /program\n", map[string][]byte{"program": binary})
}

// JarImage builds a Docker image from [JavaImage] and some jars. The parameter jars is a directory.
// The image gets the jars in it whose names match a pattern. The parameter below is the directory
// in the image that gets these jars.
func (s *Servers) JarImage(name, below, jars string, patterns ...string) error {
	files := map[string][]byte{}
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(jars, pattern))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("%s holds no %s", jars, pattern)
		}
		for _, jar := range found {
			if files[filepath.Base(jar)], err = os.ReadFile(jar); err != nil {
				return err
			}
		}
	}
	return s.Image(name, "FROM "+JavaImage+"\nCOPY *.jar "+below+"/\n", files)
}

// Image builds a Docker image from a Dockerfile and from executable files.
func (s *Servers) Image(name, dockerfile string, files map[string][]byte) error {
	dir, err := s.makeDir("image-" + strings.NewReplacer("/", "-", ":", "-").Replace(name))
	if err != nil {
		return err
	}
	for inside, data := range files {
		if err := os.WriteFile(filepath.Join(dir, inside), data, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return err
	}
	return run(s.ctx, dir, "docker-build", []string{"DOCKER_BUILDKIT=0"}, "docker", "build", "--quiet", "--tag", name, ".")
}

// JavaImage is the name of a Docker image of Debian with a Java. [Servers.LoadJavaImage] loads this
// image.
const JavaImage = "snapback/java:17"

// javaRoot is a root file system of Debian with a Java, as a tar file.
func javaRoot() part {
	const release, java = "bookworm", "openjdk-17-jre-headless"
	return part{name: "java", from: []byte(release + java), fill: func(ctx context.Context, dir string) error {
		root := filepath.Join(dir, "root")
		if err := run(ctx, dir, "debootstrap", nil, "debootstrap", "--variant=minbase", "--include="+java, release, root); err != nil {
			return err
		}
		return errors.Join(
			run(ctx, dir, "tar", nil, "tar", "-C", root, "-cf", "image.tar", "--exclude=./var/cache/apt", "."),
			os.RemoveAll(root))
	}}
}

// LoadJavaImage gives the [JavaImage] to Docker, unless Docker already has it.
func (s *Servers) LoadJavaImage() error {
	if run(s.ctx, s.dir, "docker-inspect", nil, "docker", "image", "inspect", "--format", "{{.Id}}", JavaImage) == nil {
		return nil
	}
	dir, err := javaRoot().installed()
	if err != nil {
		return err
	}
	return run(s.ctx, s.dir, "docker-import", nil, "docker", "import", filepath.Join(dir, "image.tar"), JavaImage)
}
