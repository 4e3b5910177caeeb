package storage_test

import (
	"context"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// makeContainer creates a container on Azure Blob Storage, as an administrator would.
func makeContainer(name string) error {
	client, err := container.NewClientFromConnectionString(os.Getenv("AZURE_STORAGE_CONNECTION_STRING"), name, nil)
	if err != nil {
		return err
	}
	_, err = client.Create(context.Background(), nil)
	return err
}
