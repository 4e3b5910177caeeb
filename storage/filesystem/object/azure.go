package object

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// azure implements the interface store with a container of Azure Blob Storage.
type azure struct{ client *container.Client }

// openAzure opens a container. It reads the environment variables that Azure's own tools read: a
// key, a connection string or a shared access signature. If no such variable is set, openAzure uses
// Azure's default chain of credentials (DefaultAzureCredential), for example the managed identity
// of this machine. If the parameter account is not empty, it overrides the account from the
// environment.
func openAzure(name, account string) (store, error) {
	key, signature := os.Getenv("AZURE_STORAGE_KEY"), os.Getenv("AZURE_STORAGE_SAS_TOKEN")
	connection := cmp.Or(os.Getenv("AZURE_STORAGE_CONNECTION_STRING"), os.Getenv("AZURE_STORAGEBLOB_CONNECTIONSTRING"))
	known := os.Getenv("AZURE_STORAGE_ACCOUNT")
	if account != "" && key == "" && connection != "" {
		return nil, fmt.Errorf("the connection string is for another account than %s", account)
	}
	account = cmp.Or(account, known)
	var client *container.Client
	var err error
	switch at := azureURL(account) + "/" + name; {
	case known != "" && key != "":
		var credential *container.SharedKeyCredential
		if credential, err = container.NewSharedKeyCredential(known, key); err == nil {
			client, err = container.NewClientWithSharedKeyCredential(at, credential, nil)
		}
	case connection != "" && signature == "":
		client, err = container.NewClientFromConnectionString(connection, name, nil)
	case account == "":
		err = errors.New("the storage account is unknown: set AZURE_STORAGE_ACCOUNT")
	case signature != "":
		client, err = container.NewClientWithNoCredential(at+"?"+strings.TrimPrefix(signature, "?"), nil)
	default:
		var credential *azidentity.DefaultAzureCredential
		if credential, err = azidentity.NewDefaultAzureCredential(nil); err == nil {
			client, err = container.NewClient(at, credential, nil)
		}
	}
	return azure{client}, err
}

// azureURL returns the URL of an account. The URL of an emulator has the account in its path.
func azureURL(account string) string {
	protocol := cmp.Or(os.Getenv("AZURE_STORAGE_PROTOCOL"), "https")
	domain := cmp.Or(os.Getenv("AZURE_STORAGE_DOMAIN"), "blob.core.windows.net")
	if strings.HasPrefix(domain, "127.0.0.1") || strings.HasPrefix(domain, "localhost") {
		return protocol + "://" + domain + "/" + account
	}
	return protocol + "://" + account + "." + domain
}

func (a azure) put(ctx context.Context, key string, content io.Reader) error {
	none, kind := azcore.ETagAny, contentType
	_, err := a.client.NewBlockBlobClient(key).UploadStream(ctx, content, &blockblob.UploadStreamOptions{
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: &kind},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &none}},
	})
	return err
}

func (a azure) get(ctx context.Context, key string) (io.ReadCloser, error) {
	got, err := a.client.NewBlobClient(key).DownloadStream(ctx, nil)
	if err != nil {
		return nil, err
	}
	return got.NewRetryReader(ctx, nil), nil
}

func (a azure) stat(ctx context.Context, key string) (object, error) {
	found, err := a.client.NewBlobClient(key).GetProperties(ctx, nil)
	if err != nil {
		return object{}, err
	}
	return object{key: key, size: *found.ContentLength, modified: *found.LastModified}, nil
}

func (a azure) remove(ctx context.Context, key string) error {
	_, err := a.client.NewBlobClient(key).Delete(ctx, nil)
	return err
}

func (a azure) list(ctx context.Context, prefix, token string) (page []object, next string, err error) {
	options := &container.ListBlobsHierarchyOptions{Prefix: &prefix}
	if token != "" {
		options.Marker = &token
	}
	got, err := a.client.NewListBlobsHierarchyPager("/", options).NextPage(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, found := range got.Segment.BlobItems {
		page = append(page, object{key: *found.Name, size: *found.Properties.ContentLength, modified: *found.Properties.LastModified})
	}
	for _, found := range got.Segment.BlobPrefixes {
		page = append(page, object{key: *found.Name, directory: true})
	}
	if got.NextMarker != nil {
		next = *got.NextMarker
	}
	return page, next, nil
}

func (azure) meaning(err error) error {
	var said *azcore.ResponseError
	if !errors.As(err, &said) {
		return nil
	}
	switch {
	case said.ErrorCode == "ContainerNotFound":
		return errNoBucket
	case said.StatusCode == http.StatusNotFound:
		return fs.ErrNotExist
	case said.StatusCode == http.StatusConflict, said.StatusCode == http.StatusPreconditionFailed:
		return fs.ErrExist
	case said.StatusCode == http.StatusForbidden, said.StatusCode == http.StatusUnauthorized:
		return fs.ErrPermission
	}
	return nil
}
