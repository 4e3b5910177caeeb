package servers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/snapback/snapback/faults/network"
)

// These are the credentials of MinIO, and the name of the bucket or container in every store.
const (
	MinIOUser     = "snapback"
	MinIOPassword = "snapback-secret"
	Bucket        = "checkpoints"
)

// MinIO starts a real S3 server with one bucket, and returns its URL.
func (s *Servers) MinIO() (url string, err error) {
	dir, err := minIO().installed()
	if err != nil {
		return "", err
	}
	data, err := s.makeDir("minio")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(data, Bucket), 0o755); err != nil {
		return "", err
	}
	free, err := network.FreePort()
	if err != nil {
		return "", err
	}
	command := exec.Command(filepath.Join(dir, "minio"), "server", "--address", "127.0.0.1:"+free, "--quiet", data)
	command.Env = append(os.Environ(), MinIOEnvironment()...)
	url = "http://127.0.0.1:" + free
	_, err = s.start("minio", command, answers(url+"/minio/health/ready", ""))
	return url, err
}

// minIO is the part that holds the program MinIO.
func minIO() part { return goProgram("minio", "github.com/minio/minio") }

// MinIOEnvironment returns the environment with which MinIO starts.
func MinIOEnvironment() []string {
	return []string{"MINIO_ROOT_USER=" + MinIOUser, "MINIO_ROOT_PASSWORD=" + MinIOPassword, "MINIO_BROWSER=off", "MINIO_UPDATE=off"}
}

// S3Environment returns the environment that clients of a MinIO need.
func S3Environment(url string) map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": MinIOUser, "AWS_SECRET_ACCESS_KEY": MinIOPassword, "AWS_REGION": "us-east-1"}
}

func fakeGCS() part { return goProgram("fakegcs", "github.com/fsouza/fake-gcs-server") }

// GCS starts a stand-in for Google Cloud Storage with one bucket, and returns the environment that
// clients need.
func (s *Servers) GCS() (environment map[string]string, err error) {
	dir, err := fakeGCS().installed()
	if err != nil {
		return nil, err
	}
	free, err := network.FreePort()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + free
	command := exec.Command(filepath.Join(dir, "fakegcs"), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", free,
		"-public-host", address, "-external-url", "http://"+address, "-log-level", "warn")
	if _, err := s.start("gcs", command, answers("http://"+address+"/_internal/healthcheck", "")); err != nil {
		return nil, err
	}
	request := strings.NewReader(fmt.Sprintf(`{"name":%q}`, Bucket))
	response, err := http.Post("http://"+address+"/storage/v1/b?project=test", "application/json", request)
	if err != nil {
		return nil, err
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("make a bucket: %s, %w", response.Status, err)
	}
	return map[string]string{"STORAGE_EMULATOR_HOST": address}, nil
}

// This is the account that Azurite has. Its key is public.
const (
	azureAccount = "devstoreaccount1"
	azureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

func azurite() part {
	const release = "azurite@3.35.0"
	return part{name: "azurite", from: []byte(release), fill: func(ctx context.Context, dir string) error {
		return run(ctx, dir, "npm", nil, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error", release)
	}}
}

// Azure starts a stand-in for Azure Blob Storage, and returns the environment that clients need.
// The caller must create the container.
func (s *Servers) Azure() (environment map[string]string, err error) {
	dir, err := azurite().installed()
	if err != nil {
		return nil, err
	}
	free, err := network.FreePort()
	if err != nil {
		return nil, err
	}
	command := exec.Command("node", filepath.Join(dir, "node_modules", "azurite", "dist", "src", "blob", "main.js"),
		"--blobHost", "127.0.0.1", "--blobPort", free, "--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry")
	command.Dir = s.dir
	url := "http://127.0.0.1:" + free
	if _, err := s.start("azure", command, answers(url, "")); err != nil {
		return nil, err
	}
	return map[string]string{
		"AZURE_STORAGE_CONNECTION_STRING": fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=%s/%s;", azureAccount, azureKey, url, azureAccount),
	}, nil
}
