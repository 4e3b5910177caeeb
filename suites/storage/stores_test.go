package storage_test

import (
	"context"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
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
