package servers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	return s.start("dockerd", exec.Command(daemon, "--data-root", filepath.Join(dir, "root"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", "unix://"+dockerSocket), ping)
}

// Image makes a Docker image of one static program, and of nothing else.
func (s *Servers) Image(name, binary string) error {
	dir, err := s.makeDir("image-" + name)
	if err != nil {
		return err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "program"), program, 0o755); err != nil {
		return err
	}
	dockerfile := "FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return err
	}
	return s.run(dir, "docker-build", []string{"DOCKER_BUILDKIT=0"}, "docker", "build", "--quiet", "--tag", name, ".")
}
