package storage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob"
)

// makeContainer makes a container of Azure's, as an administrator would.
func makeContainer(t *testing.T, bucket *blob.Bucket) {
	t.Helper()
	var client *container.Client
	if !bucket.As(&client) {
		t.Fatal("no client of a container behind azblob://")
	}
	if _, err := client.Create(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

// makeBucket makes a bucket of S3's.
func makeBucket(ctx context.Context, name string) error {
	bucket, err := blob.OpenBucket(ctx, name+"?use_path_style=true")
	if err != nil {
		return err
	}
	defer func() { _ = bucket.Close() }() // nothing was written through it
	var client *awss3.Client
	bucket.As(&client)
	plain := strings.TrimPrefix(name, "s3://")
	_, err = client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &plain})
	return err
}
