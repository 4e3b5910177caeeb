package storage_test

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
)

// makeContainer makes a container of Azure's, as an administrator would.
func makeContainer(name string) error {
	bucket, err := blob.OpenBucket(context.Background(), "azblob://"+name)
	if err != nil {
		return err
	}
	var client *container.Client
	if !bucket.As(&client) {
		return errors.New("no client of a container behind azblob://")
	}
	_, err = client.Create(context.Background(), nil)
	return err
}
