// Package storage_test tests what users have as storage: a local disk, HDFS, S3, Google Cloud
// Storage and Azure Blob Storage. It compares our results with those of real Apache Flink. If
// something that a spec needs is missing, the spec fails and is not skipped.
package storage_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/filesystem/filesystemtest"
	"github.com/snapback/snapback/storage/filesystem/schemes"
	_ "github.com/snapback/snapback/suites/internal/announce"
	"github.com/snapback/snapback/suites/realflink"
	"github.com/snapback/snapback/suites/servers"
)

// The whole suite shares these servers and this Flink.
var (
	started *servers.Servers
	files   = schemes.New()
	hadoop  *servers.HDFS
	hdfs    string           // the URL of HDFS
	s3      string           // URL of MinIO
	local   *realflink.Flink // supports only file://
	onHDFS  *realflink.Flink
	onS3    *realflink.Flink
)

const bucket = "s3://" + servers.Bucket

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "snapback-suite-*")
	if err != nil {
		panic(err)
	}
	started = servers.Start(context.Background(), dir)
	code := 1
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "the storage suite cannot start:", err)
	} else {
		code = m.Run()
	}
	if err := started.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func start() error {
	var err error
	if s3, err = started.MinIO(); err != nil {
		return err
	}
	environment := []map[string]string{servers.S3Environment(s3)}
	for _, store := range []func() (map[string]string, error){started.GCS, started.Azure} {
		more, err := store()
		if err != nil {
			return err
		}
		environment = append(environment, more)
	}
	for _, variables := range environment {
		for name, value := range variables {
			if err := os.Setenv(name, value); err != nil {
				return err
			}
		}
	}
	if err := makeContainer(servers.Bucket); err != nil {
		return err
	}
	if hadoop, err = started.HDFS(); err != nil {
		return err
	}
	hdfs = hadoop.URL
	jars, err := started.HadoopJars()
	if err != nil {
		return err
	}
	plugin, err := servers.FlinkS3Plugin(context.Background(), flink.DefaultVersion)
	if err != nil {
		return err
	}
	local, err = realflink.New(servers.NothingToInstall(context.Background()))
	if err != nil {
		return err
	}
	onHDFS, onS3 = local.WithHadoop(jars), local.WithS3(plugin, s3, servers.MinIOUser, servers.MinIOPassword)
	return nil
}

func TestStorage(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Storage")
}

// Every implementation of the file system must pass the same check.
func TestFileSystems(t *testing.T) {
	for name, root := range map[string]string{
		"hdfs": hdfs + "/specification", "s3": bucket + "/specification",
		"gs": "gs://" + servers.Bucket + "/specification", "azblob": "azblob://" + servers.Bucket + "/specification",
		"local": t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) { filesystemtest.Check(t, files, filesystem.Join(root, "below")) })
	}
}
