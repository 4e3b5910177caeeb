// Package object is a [filesystem.FileSystem] on an object store: S3, Google Cloud
// Storage or Azure Blob Storage, through gocloud.dev.
//
// An object appears whole, and durable, when its file is closed; it never replaces
// another, for it is put on the condition that there is none. Directories are only
// parts of names: making or syncing one does nothing, and one that holds nothing does
// not exist. Nothing is renamed.
//
// It is not a place for an engine's working files. What is NOT guaranteed: an upload
// in several parts that is aborted by the end of the process leaves its parts in the
// store, invisible, until the store's own rules remove them.
//
// Start with [Open].
package object

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
	"gocloud.dev/gcerrors"

	"github.com/snapback/snapback/storage/filesystem"
)

// patience is how long an operation may take, or make no progress.
const patience = 15 * time.Second

// Bucket is one bucket or container.
type Bucket struct {
	name   string // as in s3://bucket
	bucket *blob.Bucket
	seen   atomic.Bool // the bucket was there
}

// Open opens a bucket by a name of it, as in s3a://bucket, and the one that stands for
// all of them, as in s3://bucket or azblob://container@account. Credentials and endpoints
// come from the environment variables of the store's own tools (docs/storage.md). It does
// not yet talk to the store.
func Open(name, store string) (*Bucket, error) {
	if _, account, named := strings.Cut(store, "@"); named && os.Getenv("AZURE_STORAGE_KEY") == "" && connection() != "" {
		// The library would take the account of the connection string, whatever the name says.
		return nil, fmt.Errorf("open %s: the connection string is of another account than %s", name, account)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	bucket, err := blob.OpenBucket(ctx, address(store))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return &Bucket{name: name, bucket: bucket}, nil
}

// connection is the connection string of Azure's that the library reads.
func connection() string {
	return cmp.Or(os.Getenv("AZURE_STORAGE_CONNECTION_STRING"), os.Getenv("AZURE_STORAGEBLOB_CONNECTIONSTRING"))
}

// address is the name for the library, with what the store's own tools need no telling: a
// store that is not Amazon's is addressed by path, and any region will do there.
func address(store string) string {
	if container, account, found := strings.Cut(store, "@"); found {
		return container + "?storage_account=" + account
	}
	if filesystem.Scheme(store) != "s3" {
		return store
	}
	query := "?awssdk=v2&response_checksum_validation=when_required&request_checksum_calculation=when_required"
	if os.Getenv("AWS_ENDPOINT_URL") != "" || os.Getenv("AWS_ENDPOINT_URL_S3") != "" {
		query += "&use_path_style=true"
	}
	if os.Getenv("AWS_REGION") == "" && os.Getenv("AWS_DEFAULT_REGION") == "" {
		query += "&region=us-east-1"
	}
	return store + query
}

// key is the name of an object in the bucket; prefix that of a directory.
func (b *Bucket) key(name string) string { return strings.TrimPrefix(name, b.name+"/") }

func (b *Bucket) prefix(name string) string {
	if filesystem.IsRoot(name) {
		return ""
	}
	return b.key(name) + "/"
}

// CreatesWhole implements [filesystem.FileSystem].
func (b *Bucket) CreatesWhole(string) bool { return true }

// Create implements [filesystem.FileSystem].
func (b *Bucket) Create(name string) (filesystem.File, error) {
	progress := newProgress()
	writer, err := b.bucket.NewWriter(progress.ctx, b.key(name), &blob.WriterOptions{
		IfNotExist: true, ContentType: "application/octet-stream",
	})
	if err != nil {
		progress.cancel()
		return nil, b.failure("create", name, err)
	}
	return &upload{bucket: b, name: name, writer: writer, progress: progress}, nil
}

// Open implements [filesystem.FileSystem].
func (b *Bucket) Open(name string) (io.ReadCloser, error) {
	progress := newProgress()
	reader, err := b.bucket.NewReader(progress.ctx, b.key(name), nil)
	if err != nil {
		progress.cancel()
		return nil, b.failure("open", name, err)
	}
	return &download{bucket: b, name: name, reader: reader, progress: progress}, nil
}

// Rename implements [filesystem.FileSystem]: it is not to be had.
func (b *Bucket) Rename(oldName, _ string) error {
	return filesystem.Failure("rename", oldName, syscall.ENOTSUP)
}

// Remove implements [filesystem.FileSystem].
func (b *Bucket) Remove(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := b.bucket.Delete(ctx, b.key(name))
	if codeOf(err) != gcerrors.NotFound {
		return b.failure("remove", name, err)
	}
	switch held, listErr := b.List(name); {
	case listErr != nil:
		return b.failure("remove", name, err) // neither an object nor a directory
	case len(held) > 0:
		return filesystem.Failure("remove", name, syscall.ENOTEMPTY)
	}
	return b.failure("remove", name, b.bucket.Delete(ctx, b.prefix(name))) // a directory's marker
}

// MkdirAll implements [filesystem.FileSystem]. There is nothing to make, but the bucket
// must be there.
func (b *Bucket) MkdirAll(name string) error {
	if b.seen.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	accessible, err := b.bucket.IsAccessible(ctx)
	if err == nil && !accessible {
		err = fmt.Errorf("there is no bucket %s: %w", b.name, fs.ErrNotExist)
	}
	if err != nil {
		return b.failure("mkdir", name, err)
	}
	b.seen.Store(true)
	return nil
}

// SyncDir implements [filesystem.FileSystem].
func (b *Bucket) SyncDir(string) error { return nil }

// List implements [filesystem.FileSystem].
func (b *Bucket) List(name string) ([]filesystem.Entry, error) {
	progress := newProgress()
	defer progress.cancel()
	prefix := b.prefix(name)
	exists := prefix == ""
	objects := b.bucket.List(&blob.ListOptions{Prefix: prefix, Delimiter: "/"})
	var entries []filesystem.Entry
	for {
		object, err := objects.Next(progress.ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, b.failure("list", name, progress.explain(err))
		}
		progress.made()
		exists = true
		if object.Key == prefix {
			continue // a marker that tools leave for a directory
		}
		entry := filesystem.Entry{Name: path.Base(object.Key), Directory: object.IsDir}
		if !object.IsDir {
			entry.Size, entry.Modified = object.Size, object.ModTime
		}
		entries = append(entries, entry)
	}
	if !exists {
		return nil, filesystem.Failure("list", name, fs.ErrNotExist)
	}
	slices.SortFunc(entries, func(a, b filesystem.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// Stat implements [filesystem.FileSystem].
func (b *Bucket) Stat(name string) (filesystem.Entry, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	directory := filesystem.Entry{Name: path.Base(name), Directory: true}
	if !filesystem.IsRoot(name) {
		attributes, err := b.bucket.Attributes(ctx, b.key(name))
		if err == nil {
			return filesystem.Entry{Name: path.Base(name), Size: attributes.Size, Modified: attributes.ModTime}, nil
		}
		if codeOf(err) != gcerrors.NotFound {
			return filesystem.Entry{}, b.failure("stat", name, err)
		}
	}
	_, err := b.bucket.List(&blob.ListOptions{Prefix: b.prefix(name)}).Next(ctx)
	switch {
	case err == nil, errors.Is(err, io.EOF) && filesystem.IsRoot(name):
		return directory, nil
	case errors.Is(err, io.EOF):
		return filesystem.Entry{}, filesystem.Failure("stat", name, fs.ErrNotExist)
	}
	return filesystem.Entry{}, b.failure("stat", name, err)
}

// codeOf says what an error means. What S3 itself said goes first: the library looks for
// 301 anywhere in the text, and finds it in the number of one request in 300.
func codeOf(err error) gcerrors.ErrorCode {
	var s3 interface{ ErrorCode() string }
	if errors.As(err, &s3) {
		switch s3.ErrorCode() {
		case "PreconditionFailed", "ConditionalRequestConflict":
			return gcerrors.FailedPrecondition
		case "NoSuchKey", "NoSuchBucket", "NotFound":
			return gcerrors.NotFound
		case "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch":
			return gcerrors.PermissionDenied
		}
		return gcerrors.Unknown
	}
	return gcerrors.Code(err)
}

// failure makes an error of the store's one that says what it means here.
func (b *Bucket) failure(operation, name string, err error) error {
	if err == nil {
		return nil
	}
	switch code := codeOf(err); {
	case strings.Contains(err.Error(), "NoSuchBucket"), strings.Contains(err.Error(), "ContainerNotFound"):
		err = fmt.Errorf("there is no bucket %s: %w", b.name, fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist): // said so already
	case code == gcerrors.NotFound:
		err = fs.ErrNotExist
	case code == gcerrors.FailedPrecondition:
		err = fs.ErrExist
	case code == gcerrors.PermissionDenied:
		err = fmt.Errorf("%w: %w", fs.ErrPermission, brief{err})
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%s did not answer within %s: %w", b.name, patience, brief{err})
	default:
		err = brief{err}
	}
	return filesystem.Failure(operation, name, err)
}

// brief is an error of the library's that says the part of its text that is for people.
type brief struct{ error }

func (b brief) Error() string {
	text := b.error.Error()
	if strings.Contains(text, "failed to refresh cached credentials") {
		return "no credentials were found; for s3:// set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	}
	for _, before := range []string{"request send failed, ", "api error "} {
		if _, after, found := strings.Cut(text, before); found {
			return after
		}
	}
	return text
}

// Unwrap returns the library's error.
func (b brief) Unwrap() error { return b.error }

// progress cancels an operation that makes none.
type progress struct {
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer
}

var errNoProgress = fmt.Errorf("no progress within %s: %w", patience, context.DeadlineExceeded)

func newProgress() *progress {
	ctx, cancel := context.WithCancelCause(context.Background())
	timer := time.AfterFunc(patience, func() { cancel(errNoProgress) })
	return &progress{ctx: ctx, timer: timer, cancel: func() { timer.Stop(); cancel(context.Canceled) }}
}

func (p *progress) made() { p.timer.Reset(patience) }

// explain says why an operation was canceled.
func (p *progress) explain(err error) error {
	if cause := context.Cause(p.ctx); cause != nil && err != nil {
		return cause
	}
	return err
}

type upload struct {
	bucket   *Bucket
	name     string
	writer   *blob.Writer
	progress *progress
	closed   bool
}

func (u *upload) Write(data []byte) (int, error) {
	u.progress.made()
	n, err := u.writer.Write(data)
	return n, u.bucket.failure("write", u.name, u.progress.explain(err))
}

func (u *upload) Sync() error { return nil }

func (u *upload) Close() error {
	u.progress.made()
	u.closed = true
	err := u.writer.Close()
	err = u.bucket.failure("close", u.name, u.progress.explain(err))
	u.progress.cancel()
	return err
}

func (u *upload) Abort() {
	if u.closed {
		return
	}
	u.closed = true
	u.progress.cancel()
	_ = u.writer.Close() // canceled: nothing appears
}

type download struct {
	bucket   *Bucket
	name     string
	reader   *blob.Reader
	progress *progress
}

func (d *download) Read(data []byte) (int, error) {
	d.progress.made()
	n, err := d.reader.Read(data)
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.bucket.failure("read", d.name, d.progress.explain(err))
	}
	return n, err
}

func (d *download) Close() error {
	d.progress.cancel()
	return d.reader.Close()
}
